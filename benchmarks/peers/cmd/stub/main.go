// Command stub stands in for Whisper and for the language model, with no delay of its own: it answers as the real ones do,
// and what it says is scripted by the prompt of each request (see script.go). It listens on SERVER_HOST:SERVER_PORT.
package main

import (
	"cmp"
	"fmt"
	"log"
	"net/http"
	"os"
)

const modelName = "stub"

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /asr", asr)
	mux.HandleFunc("POST /v1/audio/transcriptions", transcriptions)
	mux.HandleFunc("POST /api/chat", ollamaChat)
	mux.HandleFunc("POST /v1/chat/completions", openAIChat)
	mux.HandleFunc("POST /api/show", answerJSON(map[string]any{
		"details":      map[string]any{"family": "llama", "parameter_size": "1B", "quantization_level": "Q4_0"},
		"model_info":   map[string]any{"general.architecture": "llama", "llama.context_length": 8192},
		"capabilities": []string{"completion"},
	}))
	model := map[string]any{"name": modelName, "model": modelName, "size": 1 << 30, "digest": "0123456789ab"}
	mux.HandleFunc("GET /api/tags", answerJSON(map[string]any{"models": []any{model}}))
	mux.HandleFunc("GET /api/ps", answerJSON(map[string]any{"models": []any{model}}))
	mux.HandleFunc("GET /api/version", answerJSON(map[string]any{"version": "0.17.4"}))
	mux.HandleFunc("GET /v1/models", answerJSON(map[string]any{
		"object": "list", "data": []any{map[string]any{"id": modelName, "object": "model", "created": 0, "owned_by": "stub"}},
	}))
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") }
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", ok)
	mux.HandleFunc("GET /{$}", ok) // Ollama says "Ollama is running" here

	address := cmp.Or(os.Getenv("SERVER_HOST"), "127.0.0.1") + ":" + os.Getenv("SERVER_PORT")
	log.Fatal(http.ListenAndServe(address, mux))
}
