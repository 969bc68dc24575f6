"""What the extensions of this folder ask of a page's tree of nodes."""


def inside(node, *kinds):
    """Whether a node of one of some kinds holds this one."""
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False
