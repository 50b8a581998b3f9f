"""Scripts that complete the command line in bash, zsh and fish: ``python -m vqe_prune completion bash``.

A script holds all names itself, those of the registries when it is printed, so that a TAB starts no Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from vqe_prune.catalogue import KINDS
from vqe_prune.choices import FILES, choices, lists
from vqe_prune.errors import InputError, near_misses

SHELLS = ("bash", "zsh", "fish")

OF_FOLDERS = ("show", "compare", "collect")
"""Commands that take folders of runs."""

BASH = """\
# bash completion of vqe_prune, for `vqe-prune` and `python -m vqe_prune`
_vqe_prune_values() {  # sets values and files for one setting
    files=
    case $1 in
@CASES@
        *) values= ;;
    esac
}
_vqe_prune() {
    local line=${COMP_LINE:0:COMP_POINT} word head key values files item first
    word=${line##*[[:space:]]}
    first=${_vqe_prune_first:-${COMP_WORDS[1]}}
    COMPREPLY=()
    case $first in
        list) [[ $first != "$word" ]] && { COMPREPLY=($(compgen -W "@KINDS@ --json" -- "$word")); return; } ;;
        completion) [[ $first != "$word" ]] && { COMPREPLY=($(compgen -W "@SHELLS@" -- "$word")); return; } ;;
        @FOLDERS@) [[ $first != "$word" ]] && { compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")); return; } ;;
    esac
    if [[ $word == *=* ]]; then
        key=${word%%=*}
        item=${word#*=}
        _vqe_prune_values "$key"
        head=
        if [[ " @LISTS@ " == *" $key "* && $item == *[[,]* || $line == *" --multirun "* && $item == *,* ]]; then
            head=${item%"${item##*[[,]}"}
            item=${item##*[[,]}
        fi
        [[ $COMP_WORDBREAKS == *=* ]] || head=$key=$head
        COMPREPLY=($(compgen -P "$head" -W "$values" -- "$item"))
        [[ $head == *\\[* ]] && compopt -o nospace
        if [[ $files ]]; then
            compopt -o filenames
            COMPREPLY+=($(compgen -P "$head" -f -- "$item"))
        fi
    else
        COMPREPLY=($(compgen -W "@KEYS@" -- "$word"))
        [[ "$line" =~ [[:space:]]$first$ || ! $first ]] && COMPREPLY+=($(compgen -W "@COMMANDS@" -- "$word"))
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    fi
}
complete -F _vqe_prune vqe-prune
_vqe_prune_python() {  # python -m vqe_prune; all other commands of Python as before
    if [[ ${COMP_WORDS[1]} == -m && ${COMP_WORDS[2]} == vqe_prune && COMP_CWORD -gt 2 ]]; then
        local _vqe_prune_first=${COMP_WORDS[3]}
        _vqe_prune
    elif declare -F _python > /dev/null; then
        _python "$@"
    else
        compopt -o default
        COMPREPLY=()
    fi
}
complete -F _vqe_prune_python python python3
"""

ZSH = """\
#compdef vqe-prune
# zsh completion of vqe_prune, for `vqe-prune` and `python -m vqe_prune`
_vqe_prune() {
    local key values files
    local -i first=${_vqe_prune_first:-2}
    if (( CURRENT > first )); then
        case ${words[first]} in
            list) compadd -- @KINDS@ --json; return ;;
            completion) compadd -- @SHELLS@; return ;;
            @FOLDERS@) _files; return ;;
        esac
    fi
    if [[ $PREFIX == *=* ]]; then
        key=${PREFIX%%=*}
        compset -P '*='
        files=
        case $key in
@CASES@
            *) values= ;;
        esac
        [[ " @LISTS@ " == *" $key "* ]] && compset -P '*[\\[,]' && compadd -S '' -- ${=values} && return
        compadd -- ${=values}
        [[ -n $files ]] && _files
        return 0
    fi
    compadd -S '' -- @KEYS@
    (( CURRENT == first )) && compadd -- @COMMANDS@
    return 0
}
_vqe_prune_python() {  # python -m vqe_prune; all other commands of Python as before
    if [[ ${words[2]} == -m && ${words[3]} == vqe_prune && CURRENT -gt 3 ]]; then
        local _vqe_prune_first=4
        _vqe_prune
    elif (( $+functions[_python] )); then
        _python "$@"
    else
        _default
    fi
}
compdef _vqe_prune vqe-prune
compdef _vqe_prune_python python python3
"""

FISH = """\
# fish completion of vqe_prune, for `vqe-prune` and `python -m vqe_prune`
function __vqe_prune_candidates
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -e words[1]
    if test (count $words) -ge 2; and test "$words[1]" = -m
        set -e words[1..2]
    end
    switch "$words[1]"
        case list
            printf '%s\\n' @KINDS@ --json
            return
        case completion
            printf '%s\\n' @SHELLS@
            return
        case @FISHFOLDERS@
            __fish_complete_path $word
            return
    end
    if string match -q '*=*' -- $word
        set -l key (string split -m 1 = -- $word)[1]
        set -l item (string split -m 1 = -- $word)[2]
        set -l head
        set -l values
        set -l files
        switch $key
@FISHCASES@
        end
        if contains -- $key @LISTS@
            set head (string match -r '.*[\\[,]' -- $item)
        end
        if test -n "$values"
            printf "$key=$head%s\\n" $values
        end
        if test -n "$files"
            for path in $item*
                test -d $path; and set path $path/
                echo $key=$path
            end
        end
        return
    end
    printf '%s\\n' @KEYS@
    if test (count $words) -eq 0
        printf '%s\\n' @COMMANDS@
    end
end
function __vqe_prune_module
    set -l words (commandline -opc)
    test (count $words) -ge 3; and test "$words[2]" = -m; and test "$words[3]" = vqe_prune
end
complete -c vqe-prune -f -a '(__vqe_prune_candidates)'
for command in python python3
    complete -c $command -n __vqe_prune_module -f -a '(__vqe_prune_candidates)'
end
"""


def completion_script(shell: str, commands: Sequence[str]) -> str:
    """Return the script that a shell reads.

    Args:
        shell: bash, zsh or fish.
        commands: What may stand in the place of settings, such as list.

    Raises:
        InputError: There is no script for this shell.

    """
    if shell not in SHELLS:
        raise InputError(f"unknown shell {shell!r}{near_misses(shell, SHELLS)}")
    known = choices()
    posix, fish = [], []
    for key, names in known.items():
        is_file = key in FILES
        if not names and not is_file:
            continue
        posix.append(f"        {key}) values='{' '.join(names)}'{' files=1' if is_file else ''} ;;")
        sets = [f"set values {' '.join(names)}"] if names else []
        fish.append(
            f"            case {key}\n                {'; '.join([*sets, *(['set files 1'] if is_file else [])])}"
        )
    replaced = {
        "@CASES@": "\n".join(posix),
        "@FISHCASES@": "\n".join(fish),
        "@KINDS@": " ".join(KINDS),
        "@SHELLS@": " ".join(SHELLS),
        "@FOLDERS@": "|".join(OF_FOLDERS),
        "@FISHFOLDERS@": " ".join(OF_FOLDERS),
        "@LISTS@": " ".join(lists()),
        "@KEYS@": " ".join([f"{key}=" for key in known]),
        "@COMMANDS@": " ".join([*commands, "--multirun", "--help", "--version"]),
    }
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    for mark, text in replaced.items():
        script = script.replace(mark, text)
    return script
