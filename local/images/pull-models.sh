#!/bin/sh
# Give the Ollama at OLLAMA_HOST each of MODELS that it has not got yet.
#
# MODELS           names, separated by commas
# MODEL_REGISTRY   pulls REGISTRY/NAME under the plain name, such as registry.example.com:5000/library
# OLLAMA_INSECURE  1: the registry speaks HTTP, or has a certificate that nobody knows
# PULL_ATTEMPTS    how often to try; a try goes on where the last one was cut off
set -eu
said=/tmp/pulling
trap 'exit 143' TERM # process 1 of a container has no default action

# The terminal's drawing that `ollama pull` also sends where there is none, as plain lines.
lines() {
  tr '\r\033' '\n\n' < "$said" | sed -n -e 's/^\[[?0-9;]*[A-Za-z]//' -e 's/▕.*▏//' -e 's/ *$//' -e '/^[A-Za-z]/p'
}

pull() {
  insecure=
  [ "${OLLAMA_INSECURE:-0}" = 1 ] && insecure=--insecure
  ollama pull $insecure "$1" > "$said" 2>&1 &
  pulling=$!
  shown=
  while kill -0 "$pulling" 2>/dev/null; do
    now=$(lines | grep '^pulling [0-9a-f]*: *[0-9][0-9]\{0,1\}%' | tail -n 1)
    if [ "$now" != "$shown" ]; then echo "$1: $now"; shown=$now; fi
    sleep 2 # between two looks at how far it is
  done
  wait "$pulling" || { lines | tail -n 3 >&2; return 1; }
}

pull_named() {
  [ -n "${MODEL_REGISTRY:-}" ] || { pull "$1"; return; }
  pull "$MODEL_REGISTRY/$1" || return 1
  { ollama cp "$MODEL_REGISTRY/$1" "$1" && ollama rm "$MODEL_REGISTRY/$1"; } > "$said" 2>&1 || { lines >&2; return 1; }
}

for model in $(echo "$MODELS" | tr ',' ' '); do
  if ollama show "$model" > "$said" 2>&1; then
    echo "$model: is there"
    continue
  fi
  attempt=1
  until pull_named "$model"; do
    if [ "$attempt" -ge "${PULL_ATTEMPTS:-5}" ]; then
      echo "$model: not pulled after $attempt attempts. What to do: check its name, MODEL_REGISTRY and the disk" >&2
      exit 1
    fi
    echo "$model: attempt $attempt failed, the next in $((attempt * 5)) s" >&2
    sleep $((attempt * 5))
    attempt=$((attempt + 1))
  done
  echo "$model: pulled"
done
