"""The report: one HTML file that needs nothing else, and its pictures beside it."""

import base64
import contextlib
import html
import io
import os
import secrets
import shutil

from emkernels.cli._messages import CommandError, why
from emkernels.cli._output import check_folder

PAGE = "report.html"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0.2rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.3rem; }
.machine { color: #666; margin-top: 0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 1.2rem 0.25rem 0; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid #888; }
td { border-bottom: 1px solid #ddd; }
.words { text-align: left; }
.verdict { font-weight: 600; }
figure { margin: 1.2rem 0; }
figure img { width: 100%; height: auto; }
figcaption { color: #555; font-size: 0.9rem; }
"""


def png(figure):
    """The bytes of a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, facecolor="white",
                   metadata={"Software": None})
    return buffer.getvalue()


def page(head, machine, sections, pictures):
    """The report as HTML, its pictures inside.

    Parameters
    ----------
    head, machine : str
    sections : list of Section
    pictures : dict of str to bytes
    """
    text = html.escape
    parts = [
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(head)}</title>", f"<style>{STYLE}</style>", "</head>", "<body>",
        f"<h1>{text(head)}</h1>", f'<p class="machine">{text(machine)}</p>']
    for section in sections:
        parts += [f"<section>\n<h2>{text(section.title)}</h2>", f"<p>{text(section.text)}</p>",
                  '<div class="table"><table>', _row("th", section.heads, section.left)]
        parts += [_row("td", row, section.left) for row in section.rows]
        parts += ["</table></div>", f'<p class="verdict">{text(section.verdict)}</p>']
        for name, caption, _ in section.pictures:
            data = base64.b64encode(pictures[name]).decode("ascii")
            parts += [f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{data}">',
                      f"<figcaption>{text(caption)}</figcaption></figure>"]
        parts.append("</section>")
    return "\n".join([*parts, "</body>", "</html>", ""])


def _row(tag, cells, left):
    return "<tr>" + "".join(
        f'<{tag} class="words">' * (at in left) + f"<{tag}>" * (at not in left)
        + f"{html.escape(cell)}</{tag}>" for at, cell in enumerate(cells)) + "</tr>"


def folder_for(path, names, *, force, default):
    """The folder that may be written, before any work.

    Parameters
    ----------
    path : str or None
        None: `default`, or with -2, -3 ... behind it, the first that does not exist.
    names : list of str
        Files to write.
    force : bool
        Files of these names may be replaced; no other ever is.
    default : str

    Raises
    ------
    CommandError
    """
    if path is None:
        path, n = default, 1
        while os.path.lexists(path) and not force:
            n += 1
            path = f"{default}-{n}"
    target = os.path.realpath(path)
    if os.path.lexists(target) and not os.path.isdir(target):
        raise CommandError(f"{path}: is not a folder")
    there = [name for name in names if os.path.lexists(os.path.join(target, name))]
    if there and not force:
        raise CommandError(f"{path}: holds {there[0]} already; --force writes over it")
    for name in there:
        if not os.path.isfile(os.path.join(target, name)):
            raise CommandError(f"{os.path.join(path, name)}: is not a regular file")
    check_folder(path, target if os.path.isdir(target) else os.path.dirname(target))
    return path


def write_files(path, files):
    """Files into a folder: one that is not there comes with all of them; into one that is, they
    are moved once all are written.

    Parameters
    ----------
    path : str
    files : dict of str to bytes
    """
    target = os.path.realpath(path)
    beside = target if os.path.isdir(target) else os.path.dirname(target)
    temporary = os.path.join(beside, f".emkernels-{secrets.token_hex(6)}.tmp")
    try:
        os.mkdir(temporary)
        for name, data in files.items():
            with open(os.path.join(temporary, name), "xb") as file:
                file.write(data)
        if os.path.isdir(target):
            for name in files:
                os.replace(os.path.join(temporary, name), os.path.join(target, name))
        else:
            os.rename(temporary, target)
    except OSError as error:
        raise CommandError(f"{path}: {why(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary)
