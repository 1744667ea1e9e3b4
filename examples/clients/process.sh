#!/bin/sh
# Send a recording to the bridge, once for a JSON answer and once for a streamed one.
#
#   SPEECH_URL=http://127.0.0.1:8080 examples/clients/process.sh RECORDING [PROMPT]
set -eu
url=${SPEECH_URL:-http://127.0.0.1:8080}
audio=${1:?"usage: $0 RECORDING [PROMPT]"}
prompt=${2:-"Summarise this in one sentence:"}

# One JSON object at the end. --form-string, since a prompt may begin with @ or <.
curl --silent --show-error --fail-with-body \
  --form-string "prompt=$prompt" --form "file=@\"$audio\"" "$url/process"
echo

# Server-sent events as they are generated: transcript.delta, transcript.done, response.delta, response.done, error.
curl --silent --show-error --fail-with-body --no-buffer \
  --form-string "prompt=$prompt" --form-string stream=true --form "file=@\"$audio\"" "$url/process"
