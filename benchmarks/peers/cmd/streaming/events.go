package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"speechpipeline.dev/benchmarks/peers/internal/bridge"
)

type piece struct {
	Text string `json:"text"`
}

// events writes server-sent events, each flushed at once, through one buffer.
type events struct {
	w       http.ResponseWriter
	flusher *http.ResponseController
	buffer  bytes.Buffer
	encoder *json.Encoder
}

func newEvents(w http.ResponseWriter) *events {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	e := &events{w: w, flusher: http.NewResponseController(w)}
	e.encoder = json.NewEncoder(&e.buffer)
	return e
}

func (e *events) send(name string, data any) error {
	e.buffer.Reset()
	e.buffer.WriteString("event: ")
	e.buffer.WriteString(name)
	e.buffer.WriteString("\ndata: ")
	if err := e.encoder.Encode(data); err != nil { // ends with the data's line break
		return err
	}
	e.buffer.WriteByte('\n')
	if _, err := e.w.Write(e.buffer.Bytes()); err != nil {
		return err
	}
	return e.flusher.Flush()
}

// stream answers with the transcript, the language model's tokens as they come, and the whole answer.
// Once the first event is out an error can only end the stream.
func (s *server) stream(ctx context.Context, w http.ResponseWriter, answer bridge.Answer, prompt string, started time.Time) error {
	out := newEvents(w)
	if err := out.send("transcript.done", piece{answer.Transcription}); err != nil {
		return err
	}
	var response strings.Builder
	err := s.chat.Stream(ctx, answer.Model, prompt, answer.Transcription, func(text string) error {
		response.WriteString(text)
		return out.send("response.delta", piece{text})
	})
	if err != nil {
		return out.send("error", map[string]string{"code": "generation_failed", "message": err.Error(), "stage": "generate"})
	}
	answer.Response = response.String()
	answer.ProcessTimeMS = time.Since(started).Milliseconds()
	return out.send("response.done", answer)
}
