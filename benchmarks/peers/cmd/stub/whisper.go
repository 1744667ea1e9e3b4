package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"sync"
)

const readSize = 256 << 10 // bytes

var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// heard is Whisper's answer in whisper-asr-webservice's JSON, with one segment. Its text says how many bytes came in,
// so that the benchmark sees when a bridge lost some.
func heard(bytes int64) map[string]any {
	text := fmt.Sprintf(" Whisper heard %d bytes.", bytes)
	return map[string]any{
		"text": text, "language": "en", "duration": 2.0, "speech_seconds": 2.0, "transcribed_seconds": 2.0,
		"segments": []any{segment(text)},
	}
}

func segment(text string) map[string]any {
	return map[string]any{
		"id": 0, "seek": 0, "start": 0.0, "end": 2.0, "text": text, "tokens": []int{50363, 50463}, "temperature": 0.0,
		"avg_logprob": -0.2, "compression_ratio": 1.1, "no_speech_prob": 0.01,
	}
}

// asr reads the body without looking into it, which costs least, and counts all of it: form and audio.
func asr(w http.ResponseWriter, r *http.Request) {
	buffer := buffers.Get().(*[readSize]byte)
	defer buffers.Put(buffer)
	var total int64
	for {
		read, err := r.Body.Read(buffer[:])
		total += int64(read)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	writeJSON(w, heard(total))
}

// transcriptions parses the form, because the field "stream" decides what the answer is; it counts the audio alone.
func transcriptions(w http.ResponseWriter, r *http.Request) {
	form, err := multipartReader(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var total int64
	stream := false
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if part.FormName() == "stream" {
			value, _ := io.ReadAll(io.LimitReader(part, 16)) // a broken part fails at the next one
			stream = string(value) == "true"
			continue
		}
		size, _ := io.Copy(io.Discard, part) // likewise
		if part.FormName() == "file" {
			total = size
		}
	}
	answer := heard(total)
	answer["usage"] = map[string]any{"type": "duration", "seconds": 2}
	if !stream {
		answerJSON(answer)(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	writeEvent(w, map[string]any{"type": "transcript.text.delta", "delta": answer["text"], "segment": segment(answer["text"].(string))})
	answer["type"] = "transcript.text.done"
	writeEvent(w, answer)
}

// multipartReader reads the form in large blocks; r.MultipartReader would take 4 KiB at a time.
func multipartReader(r *http.Request) (*multipart.Reader, error) {
	r.Body = struct {
		io.Reader
		io.Closer
	}{bufio.NewReaderSize(r.Body, readSize), r.Body}
	return r.MultipartReader()
}

func answerJSON(answer any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // keeps the connection usable
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, answer)
	}
}

// writeJSON ignores write errors: the client has disconnected.
func writeJSON(w io.Writer, value any) { _ = json.NewEncoder(w).Encode(value) }

func writeEvent(w io.Writer, value any) {
	_, _ = io.WriteString(w, "data: ")
	writeJSON(w, value)
	_, _ = io.WriteString(w, "\n")
}
