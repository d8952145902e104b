"""Sums of parts in one order, whoever adds them."""


class Tree:
    """Statistics of blocks, merged in an order that the numbers of the blocks fix.

    Sixteen consecutive blocks are a group, summed from the left; sixteen consecutive groups are
    one of the next level, and so on; a last, short group is carried up. So parts that come one by
    one, as a stream has them, and groups that were summed elsewhere give the same bits.

    Parts are merged in place, into the first of a group: they are the tree's from then on. None is
    a block of no rows.

    Examples
    --------
    >>> from emkernels.em.tree import Tree
    >>> class Sum:
    ...     def __init__(self, value):
    ...         self.value = value
    ...     def merge(self, other):
    ...         self.value += other.value
    ...         return self
    >>> tree = Tree()
    >>> for i in range(40):
    ...     tree.add(Sum(i))
    >>> tree.total().value
    780
    """

    ARITY = 16

    def __init__(self):
        self.levels = []        # [sum of a group that is not full, how many are in it]

    def add(self, part, level=0, n_parts=1):
        """The next part: the sum of ``16 ** level`` blocks, or of several such (`n_parts`) of one
        group. All groups below must be full."""
        while True:
            while len(self.levels) <= level:
                self.levels.append([None, 0])
            group = self.levels[level]
            group[0] = _merged(group[0], part)
            group[1] += n_parts
            if group[1] < self.ARITY:
                return
            part, self.levels[level] = group[0], [None, 0]
            level, n_parts = level + 1, 1

    @property
    def n_blocks(self):
        """How many blocks are in it."""
        return sum(n * self.ARITY**level for level, (_, n) in enumerate(self.levels))

    def total(self):
        """The sum of all parts, None where there was none; the tree is used up."""
        carried = None
        for group, _ in self.levels:
            carried = _merged(group, carried)
        self.levels = []
        return carried


def _merged(total, part):
    if total is None or part is None:
        return part if total is None else total
    return total.merge(part)
