"""Evidence: run folders, metrics with intervals, tables, and the paper's claims beside them.

results reads and writes run folders, metrics computes accuracy and tests, tables makes tables,
claims the ledger and the ambiguity register.
Notebooks: 07_result_tables, 08_confusion_matrices
"""
