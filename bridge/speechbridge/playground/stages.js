// The stages of a request on one axis.

/**
 * The bars of a finished request, `{name, start, end}` in milliseconds since it was sent; stages that it did not reach
 * are missing. `timings` are those of the bridge; `uploadMs` was measured by the browser (null: unknown). Upload and
 * transcription overlap, since the bridge streams the upload to Whisper.
 */
export function stages(timings, uploadMs) {
  const { queue_ms: queue, transcribe_ms: transcribe, first_token_ms: firstToken, generate_ms: generate } = timings;
  const answered = timings.total_ms;
  const heard = generate === null ? answered : Math.max(0, answered - generate);
  const began = Math.max(0, heard - (transcribe ?? 0));
  const spoke = Math.min(answered, Math.max(heard, firstToken ?? heard));
  return [
    bar("upload", 0, uploadMs),
    bar("queue", Math.max(0, began - queue), began),
    bar("transcription", began, transcribe === null ? null : heard),
    bar("first-token", heard, firstToken === null ? null : spoke),
    bar("answer", spoke, generate === null ? null : answered),
  ].filter(({ end }) => end !== null);
}

function bar(name, start, end) {
  return { name, start, end };
}
