"""Evidence: run folders, metrics with intervals, tables, and the paper's claims beside them.

results reads and writes run folders, grouping says which of them count together, metrics computes
accuracy and tests; tables, recalls and confusions count, claims makes the ledger and the ambiguity
register.
Notebooks: 07_result_tables, 08_confusion_matrices
"""
