#!/bin/sh
# Fetch the weights of WHISPER_MODEL into their volume, unless it has them; run in the image of the Whisper server.
#
# WHISPER_MODEL      that of the server; a path is a folder in its image, which needs nothing
# WHISPER_REPLICAS   0: no Whisper container runs, so nothing is fetched
# WEIGHTS_URL        a folder of a web server that has the weights; empty: the hub, with HF_ENDPOINT and HF_TOKEN
set -eu
case "$WHISPER_REPLICAS $WHISPER_MODEL" in
  "0 "*) echo "no Whisper container runs: nothing to fetch" ;;
  *" /"*) echo "$WHISPER_MODEL: contained in the image" ;;
  *)
    if [ -n "${WEIGHTS_URL:-}" ]; then
      set -- "$WEIGHTS_URL" --as "$WHISPER_MODEL"
    else
      set -- "$WHISPER_MODEL"
    fi
    exec python3 -m speechwhisper fetch "$@"
    ;;
esac
