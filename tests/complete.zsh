# SPDX-License-Identifier: GPL-2.0-only
# Prints what a line becomes when the tab key completes it in an interactive zsh:
#
#   zsh -f complete.zsh DIR LINE
#
# DIR holds the completion.
zmodload zsh/zpty || exit
zpty shell zsh -f -i || exit

# Each command is one line, as what is typed is.
zpty -w shell "PS1= PS2= fpath=(${(q)1} \$fpath); autoload -Uz compinit && compinit -u -D"
zpty -w shell 'show() { print -r -- "<<$BUFFER>>"; exit }; zle -N show; bindkey "^X" show; bindkey "^I" complete-word'
zpty -w shell 'print -r -- "<<""ready>>"'
zpty -r -m shell ready '*<<ready>>*' || exit
zpty -w -n shell "$2"$'\t\x18'
zpty -r -m shell shown '*<<*>>*' || exit
print -r -- "${${shown##*<<}%%>>*}"
zpty -d shell
