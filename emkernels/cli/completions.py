"""Print what a shell needs to complete commands and options.

For bash, zsh or fish: commands, options, the words that an option knows, and names of files
elsewhere. The text is made of the options there are, so make it again after an update.

examples:
  emkernels completions bash > ~/.local/share/bash-completion/completions/emkernels
  emkernels completions zsh > ~/.zfunc/_emkernels
  emkernels completions fish > ~/.config/fish/completions/emkernels.fish
  source <(emkernels completions bash)

For zsh the folder is one of fpath, as by "fpath+=~/.zfunc" before "compinit" in ~/.zshrc.
"""

import argparse

PACKAGES = ()


def add_arguments(parser):
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def run(options, console):
    """The script, on standard output."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](options.commands), end="")


def _parts(parser):
    """Options of a parser: names, choices, whether a value follows, help; and its words."""
    found, words = [], []
    for action in parser._actions:
        choices = [str(each) for each in action.choices or ()]
        if action.option_strings:
            text = "" if action.help is None else " ".join(action.help.split())
            found.append((action.option_strings, choices, action.nargs != 0, text))
        elif not isinstance(action, argparse._SubParsersAction):
            words += choices
    return found, words


def _bash(commands):
    lines = [
        "# bash completion of emkernels",
        "_emkernels() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local command="${COMP_WORDS[1]}" words=""',
        "    COMPREPLY=()",
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then",
        f'        COMPREPLY=($(compgen -W "{" ".join(commands)} --help --version" -- "$word"))',
        "        return", "    fi", '    case "$command $before" in']
    for name, parser in commands.items():
        for names, choices, _, _ in _parts(parser)[0]:
            if choices:
                patterns = "|".join(f'"{name} {each}"' for each in names)
                lines += [f"        {patterns})",
                          f'            COMPREPLY=($(compgen -W "{" ".join(choices)}" -- "$word"))',
                          "            return ;;"]
    lines += ["    esac", '    case "$command" in']
    for name, parser in commands.items():
        found, words = _parts(parser)
        every = [*words, *(each for names, *_ in found for each in names)]
        lines.append(f'        {name}) words="{" ".join(every)}" ;;')
    return "\n".join([
        *lines, "    esac", '    if [[ "$word" == -* ]] || [ "$command" = completions ]; then',
        '        COMPREPLY=($(compgen -W "$words" -- "$word"))', "    else",
        '        compopt -o filenames 2>/dev/null',
        "        local IFS=$'\\n'      # names of files may have spaces",
        '        COMPREPLY=($(compgen -f -- "$word"))', "    fi", "}",
        "complete -F _emkernels emkernels", ""])


def _zsh(commands):
    lines = ["#compdef emkernels", "_emkernels() {", "    local -a commands", "    commands=("]
    lines += [f"        {_quoted(f'{name}:{_summary(parser)}')}"
              for name, parser in commands.items()]
    lines += ["    )", "    if (( CURRENT == 2 )); then", "        _describe command commands",
              "        return", "    fi", "    local command=$words[2]", "    shift words",
              "    (( CURRENT-- ))", '    case "$command" in']
    for name, parser in commands.items():
        found, words = _parts(parser)
        lines.append(f"        {name}) _arguments \\")
        for names, choices, valued, text in found:
            text = text.replace("[", "(").replace("]", ")").replace(":", ",")
            value = ":value:_files" if valued else ""
            if choices:
                value = f":value:({' '.join(choices)})"
            lines += [f"            {_quoted(f'{each}[{text}]{value}')} \\" for each in names]
        rest = f"*:word:({' '.join(words)})" if words else "*:file:_files"
        lines.append(f"            {_quoted(rest)} ;;")
    return "\n".join([*lines, "    esac", "}", 'if [ "$funcstack[1]" = "_emkernels" ]; then',
                      '    _emkernels "$@"', "else", "    compdef _emkernels emkernels", "fi", ""])


def _fish(commands):
    lines = ["# fish completion of emkernels", "complete -c emkernels -n __fish_use_subcommand -f"]
    for name, parser in commands.items():
        lines.append(f"complete -c emkernels -n __fish_use_subcommand -f -a {name} "
                     f"-d {_quoted(_summary(parser))}")
        here = f"complete -c emkernels -n {_quoted(f'__fish_seen_subcommand_from {name}')}"
        found, words = _parts(parser)
        if words:
            lines.append(f"{here} -f -a {_quoted(' '.join(words))}")
        for names, choices, valued, text in found:
            flags = " ".join(f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}"
                             for each in names)
            value = f" -x -a {_quoted(' '.join(choices))}" if choices else " -r" if valued else ""
            lines.append(f"{here} {flags}{value} -d {_quoted(text)}")
    return "\n".join([*lines, ""])


def _summary(parser):
    return parser.description.partition("\n")[0].rstrip(".")


def _quoted(text):
    """A text as one word of all three shells: single quotes inside become typographic ones."""
    text = text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}").replace("\\", "/")
    return f"'{text}'"
