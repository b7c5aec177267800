#!/usr/bin/env bash
# Writes the appendix on a loss from the results in git, and sets a paper with it where there is a LaTeX.
# From the root of the repository: docs/examples/paper/make.sh LOSS FOLDER
set -euo pipefail
loss=${1:-multi_similarity}
folder=${2:-paper}
suite report "$loss" --folder "$folder/appendix"
cp "$(dirname "$0")/paper.tex" "$folder/"
cd "$folder"
if command -v latexmk >/dev/null; then
  latexmk -pdf -quiet paper.tex
elif command -v pdflatex >/dev/null && command -v bibtex >/dev/null; then
  latex() { pdflatex -interaction=batchmode -halt-on-error paper.tex >/dev/null; }
  latex
  bibtex -terse paper
  latex
  latex
else
  echo "no paper.pdf: there is neither latexmk nor pdflatex with bibtex; install one of them, then run this again" >&2
  exit 0
fi
echo "set $folder/paper.pdf"
