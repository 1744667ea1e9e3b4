package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

const created = "2026-01-01T00:00:00Z"

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// chatRequest holds the fields of Ollama's and of OpenAI's request that matter here.
type chatRequest struct {
	Messages  []message `json:"messages"`
	Stream    *bool     `json:"stream"`
	MaxTokens int       `json:"max_tokens"`
	Options   struct {
		NumPredict int `json:"num_predict"`
	} `json:"options"`
}

func readChat(w http.ResponseWriter, r *http.Request) (request chatRequest, ok bool) {
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return request, false
	}
	_, _ = io.Copy(io.Discard, r.Body) // keeps the connection usable
	return request, true
}

// ollamaChat answers as Ollama's /api/chat: NDJSON unless stream is false; no messages only load the model.
func ollamaChat(w http.ResponseWriter, r *http.Request) {
	request, ok := readChat(w, r)
	if !ok {
		return
	}
	s := readScript(request.Messages, request.Options.NumPredict)
	if len(request.Messages) == 0 {
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, map[string]any{
			"model": modelName, "created_at": created, "message": message{Role: "assistant"}, "done": true, "done_reason": "load",
		})
		return
	}
	if request.Stream != nil && !*request.Stream {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		writeJSON(w, lastLine(s, s.whole()))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	s.play(func(text string) {
		_, _ = fmt.Fprintf(w, `{"model":%q,"created_at":%q,"message":{"role":"assistant","content":%q},"done":false}`+"\n",
			modelName, created, text)
	}, flusher(w))
	writeJSON(w, lastLine(s, ""))
}

func lastLine(s script, content string) map[string]any {
	return map[string]any{
		"model": modelName, "created_at": created, "message": message{Role: "assistant", Content: content},
		"done": true, "done_reason": "stop", "total_duration": 1_000_000, "load_duration": 1000,
		"prompt_eval_count": 40, "prompt_eval_duration": 1000, "eval_count": s.tokens, "eval_duration": 1000,
	}
}

// openAIChat answers as /v1/chat/completions of llama.cpp and vLLM do: JSON, or with stream true one event per token.
func openAIChat(w http.ResponseWriter, r *http.Request) {
	request, ok := readChat(w, r)
	if !ok {
		return
	}
	s := readScript(request.Messages, request.MaxTokens)
	usage := map[string]any{"prompt_tokens": 40, "completion_tokens": s.tokens, "total_tokens": 40 + s.tokens}
	if request.Stream == nil || !*request.Stream {
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, map[string]any{
			"id": "chatcmpl-stub", "object": "chat.completion", "created": 0, "model": modelName, "usage": usage,
			"choices": []any{map[string]any{
				"index": 0, "message": message{Role: "assistant", Content: s.whole()}, "finish_reason": "stop",
			}},
		})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	const chunk = `data: {"id":"chatcmpl-stub","object":"chat.completion.chunk","created":0,"model":%q,` +
		`"choices":[{"index":0,"delta":%s,"finish_reason":%s}]}` + "\n\n"
	_, _ = fmt.Fprintf(w, chunk, modelName, `{"role":"assistant","content":null}`, "null")
	s.play(func(text string) {
		_, _ = fmt.Fprintf(w, chunk, modelName, fmt.Sprintf(`{"content":%q}`, text), "null")
	}, flusher(w))
	_, _ = fmt.Fprintf(w, chunk, modelName, "{}", `"stop"`)
	writeEvent(w, map[string]any{
		"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 0, "model": modelName,
		"choices": []any{}, "usage": usage,
	})
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

// flusher sends what is buffered now; a client that has gone shows up as the request's end, not here.
func flusher(w http.ResponseWriter) func() {
	controller := http.NewResponseController(w)
	return func() { _ = controller.Flush() }
}
