#!/usr/bin/env bash
# Writes the appendix on a loss from the results in git, and sets a paper with it where there is a LaTeX.
# From the root of the repository: docs/examples/paper/make.sh LOSS FOLDER
set -euo pipefail
loss=${1:-multi_similarity}
folder=${2:-paper}
suite report "$loss" --folder "$folder/appendix"
cp "$(dirname "$0")/paper.tex" "$folder/"
if command -v latexmk >/dev/null; then
  (cd "$folder" && latexmk -pdf -quiet paper.tex)
fi
