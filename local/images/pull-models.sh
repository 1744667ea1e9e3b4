#!/bin/sh
# Pull each of MODELS into the Ollama at OLLAMA_HOST, unless it has the model.
#
# MODELS           names, separated by commas
# MODEL_REGISTRY   where to pull from, such as registry.example.com:5000/library; the model gets its plain name
# OLLAMA_INSECURE  1: the registry uses HTTP, or a certificate that is not trusted
# PULL_ATTEMPTS    number of attempts; each one resumes the one before
#
# A model that cannot be pulled does not keep the others from being pulled. The exit code is then 1.
set -eu
output=/tmp/pulling
trap 'exit 143' TERM # process 1 of a container has no default action

# The output of `ollama pull` as plain lines, without control sequences, which it writes without a terminal too.
lines() {
  tr '\r\033' '\n\n' < "$output" | sed -n -e 's/^\[[?0-9;]*[A-Za-z]//' -e 's/▕.*▏//' -e 's/ *$//' -e '/^[A-Za-z]/p'
}

pull() {
  insecure=
  [ "${OLLAMA_INSECURE:-0}" = 1 ] && insecure=--insecure
  ollama pull $insecure "$1" > "$output" 2>&1 &
  pulling=$!
  shown=
  while kill -0 "$pulling" 2>/dev/null; do
    now=$(lines | grep '^pulling [0-9a-f]*: *[0-9][0-9]\{0,1\}%' | tail -n 1)
    if [ "$now" != "$shown" ]; then echo "$1: $now"; shown=$now; fi
    sleep 2 # polling interval
  done
  wait "$pulling" || { lines | tail -n 3 >&2; return 1; }
}

pull_named() {
  [ -n "${MODEL_REGISTRY:-}" ] || { pull "$1"; return; }
  pull "$MODEL_REGISTRY/$1" || return 1
  { ollama cp "$MODEL_REGISTRY/$1" "$1" && ollama rm "$MODEL_REGISTRY/$1"; } > "$output" 2>&1 || { lines >&2; return 1; }
}

failed=0
for model in $(echo "$MODELS" | tr ',' ' '); do
  if ollama show "$model" > "$output" 2>&1; then
    echo "$model: present"
    continue
  fi
  attempt=1
  until pull_named "$model"; do
    if [ "$attempt" -ge "${PULL_ATTEMPTS:-5}" ]; then
      echo "$model: not pulled after $attempt attempts. Check its name, MODEL_REGISTRY and the free disk space" >&2
      failed=1
      continue 2
    fi
    echo "$model: attempt $attempt failed, retrying in $((attempt * 5)) s" >&2
    sleep $((attempt * 5))
    attempt=$((attempt + 1))
  done
  echo "$model: pulled"
done
exit "$failed"
