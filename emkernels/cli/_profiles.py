"""What `emkernels classes` prints: the fits, and the profile of each class."""

import numpy as np

from emkernels.cli._items import say_kept
from emkernels.cli._messages import count, listed, quoted

# of an item with more levels the likeliest so many are shown
MOST_LEVELS = 8
# bivariate residuals from which on a pair of items is said not to be independent in the classes
DEPENDENT = 4


def report(console, result, items):
    """The report of a command's result.

    Parameters
    ----------
    console : Console
    result : dict
    items : ItemTable
    """
    names = [each.name for each in items.items]
    console.say(f"{result['input']}: {count(result['rows'], 'row')}"
                + (f" of weight {result['total']:g}" if items.weight is not None else "")
                + f", {count(len(names), 'item')} ({listed(names)})"
                + (f", numbers: {listed(result['continuous'])}" if items.continuous else ""))
    codes = [each.name for each in items.items if each.numbers is not None]
    if codes:
        console.say(f"numbers taken as codes, in no order: {listed([quoted(n) for n in codes])}"
                    + ("" if items.continuous else " (--continuous for others)"))
    cells = result["rows"] * len(items.used)
    if result["missing"]:
        console.say(f"{count(result['missing'], 'answer')} of {cells} missing "
                    f"({100 * result['missing'] / cells:.3g} %): rows count by what they have, as "
                    "is right where answers are missing at random")
    console.say()
    criterion = result["criterion"]
    tested = any(c.get("bootstrap_p") is not None for c in result["candidates"])
    console.table(
        ["classes", "parameters", "log-likelihood", criterion, "entropy", "starts at best",
         *["bootstrap p"] * tested, ""],
        [[c["k"], c["parameters"], f"{c['log_likelihood']:.3f}", f"{c[criterion]:.3f}",
          f"{c['entropy']:.3f}", c["starts_at_best"] if c["k"] > 1 else "",
          *["" if c["bootstrap_p"] is None else f"{c['bootstrap_p']:.3f}"] * tested,
          "; ".join(["chosen"] * (c["k"] == result["k"]) + [c["remarks"]] * bool(c["remarks"]))]
         if not c["error"] else
         [c["k"], "", "", "", "", "", *[""] * tested, f"no fit: {c['error']}"]
         for c in result["candidates"]], left=(6 + tested,))
    console.say()
    _profiles(console, result, items)
    _tail(console, result, items)


def _profiles(console, result, items):
    k = result["k"]
    console.say("how likely each answer is in each class, per cent; all: of the answers there are")
    rows = [["share of the class", "", "", *_percent(result["shares"])]]
    rows.append(["rows" if items.weight is None else "weight", "",
                 f"{result['total']:g}", *(f"{n:g}" for n in result["sizes"])])
    for each, probs, seen in zip(items.items, result["response_probs"],
                                 result["observed_probs"], strict=True):
        shown, levels = _levels(seen), each.shown()
        rows += [[each.name if nth == 0 else "", levels[at], *_percent([seen[at]]),
                  *_percent(probs[:, at])] for nth, at in enumerate(shown)]
        if len(shown) < len(levels):
            rest = np.setdiff1d(np.arange(len(levels)), shown)
            rows.append(["", f"({len(rest)} others)", *_percent([seen[rest].sum()]),
                         *_percent(probs[:, rest].sum(axis=1))])
    console.table(["item", "answer", "all", *(f"class {c}" for c in range(k))], rows, left=(0, 1))
    console.say()
    if items.continuous:
        console.say("numbers: mean and standard deviation")
        rows = []
        for at, each in enumerate(items.continuous):
            x = each.numbers
            w = np.where(np.isnan(x), 0, 1.0 if items.weight is None else items.weight)
            x = np.nan_to_num(x)
            mean = (w @ x) / w.sum()
            rows.append([each.name, "mean", f"{mean:.5g}",
                         *(f"{m:.5g}" for m in result["means"][:, at])])
            rows.append(["", "deviation", f"{np.sqrt(w @ (x - mean)**2 / w.sum()):.5g}",
                         *(f"{s:.5g}" for s in result["deviations"][:, at])])
        console.table(["column", "", "all", *(f"class {c}" for c in range(k))], rows, left=(0, 1))
        console.say()


def _say_pairs(console, result, items):
    """The pairs of items that depend on each other within the classes most."""
    residuals = result["bivariate_residuals"]
    if residuals is None:
        return
    high = np.argwhere(np.triu(np.nan_to_num(residuals), 1) >= DEPENDENT)
    if not len(high):
        return
    high = high[np.argsort([-residuals[i, j] for i, j in high], kind="stable")]
    names = [each.name for each in items.items]
    shown = ", ".join(f"{names[i]} and {names[j]} ({residuals[i, j]:.3g})" for i, j in high[:3])
    console.say(f"not independent within classes (bivariate residuals of {DEPENDENT} and more): "
                f"{count(len(high), 'pair')} of items, {shown}{', ...' if len(high) > 3 else ''}")


def _levels(seen):
    """Which levels of an item are shown, in their order."""
    if len(seen) <= MOST_LEVELS:
        return np.arange(len(seen))
    return np.sort(np.argsort(-seen, kind="stable")[:MOST_LEVELS - 1])


def _percent(shares):
    return [f"{100 * share:.1f}" for share in shares]


def _tail(console, result, items):
    if result["k"] > 1:
        console.say(f"entropy {result['entropy']:.3f}: 1 where every row is sure of its class, 0 "
                    "where none is")
    _say_pairs(console, result, items)
    say_kept(console, result["kept"], items.most_levels)
    n = result["rows_without_values"]
    if n:
        console.say(f"{count(n, 'row')} without any value: {'its' if n == 1 else 'their'} class is "
                    "the one with the largest share")
    for name in ("output", "plot"):
        if result[name]:
            console.say(f"{result[name]}: written")
