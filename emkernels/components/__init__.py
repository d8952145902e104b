"""What rows are distributed as, given their component: one room a family."""
