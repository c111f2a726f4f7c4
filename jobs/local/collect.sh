#!/usr/bin/env bash
# Gathers the results of a study into one table and draws them.
set -euo pipefail

echelon=build/release/bin/echelon # the program
study=out/study                   # folder of the study

exec "$echelon" scale --collect --out "$study"
