"""What needs a checkout of the kit: running the notebooks, the book, the app, the exercises.

reproduce runs everything again, book makes generated pages, exercises gives solutions, leakage is
the laboratory of wrong protocols. Notebooks: 00_start_here, 12_leakage_laboratory
"""
