# shellcheck shell=bash
# How a script tells all that is missing at once, asks, and shows and runs its steps. Sourced, never run.
#
# Bash forgets `set -e` inside $(…): a function that is called there says "|| return 1" where it can fail.

program=${0##*/}
dry_run=false
yes=false
missing=()
current_step=''
changing=false
scratch=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/chargeback.XXXXXX")

finish() {
  local code=$?
  rm -rf "$scratch"
  if [ "$code" -ne 0 ] && $changing && ! $dry_run; then
    printf >&2 '\n%s: stopped at "%s". Run the same command again: it finds what is done, and goes on from there.\n' \
      "$program" "$current_step"
  fi
}
trap finish EXIT

# What is missing is collected, so that it can be told at once.
lacks() { missing+=("$1"); }

refuse_if_lacking() {
  [ ${#missing[@]} -ne 0 ] || return 0
  printf >&2 '%s: nothing was changed. This is missing or wrong:\n' "$program"
  printf >&2 '  - %s\n' "${missing[@]}"
  exit 2
}

has() { command -v "$1" >/dev/null 2>&1; }

# Whether $1 is exactly of the pattern $2.
is_like() {
  local pattern="^($2)\$"
  [[ $1 =~ $pattern ]]
}

step() {
  current_step=$1
  printf '\n== %s\n' "$1"
}

# A command as one could paste it.
show() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
}

# Every command that changes something goes through here.
run() {
  show "$@"
  $dry_run || "$@"
}

# Asks "$1 [y/N]"; whoever says nothing has said no.
confirm() {
  local answer=''
  if $yes || $dry_run; then return 0; fi
  printf '\n%s [y/N] ' "$1"
  read -r answer || true
  case $answer in
    y | Y | yes | Yes | YES) return 0 ;;
  esac
  printf >&2 '\n%s: nothing was changed: that was no yes. (--yes answers every question.)\n' "$program"
  exit 1
}

# What the command says; nothing where it fails with an error that has $1 in it. Any other error stands.
unless_absent() {
  local absent=$1
  shift
  "$@" 2>"$scratch/error" && return 0
  grep -q -E -e "$absent" "$scratch/error" && return 0
  cat >&2 "$scratch/error"
  return 1
}

# The text that the AWS CLI prints, but nothing where it prints None.
some() { [ "$1" = None ] || printf '%s' "$1"; }
