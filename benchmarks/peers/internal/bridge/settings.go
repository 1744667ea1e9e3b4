// Package bridge holds what both peers share: settings, the chat upstream, the answer and the access log.
// How audio gets from the client to Whisper is what sets them apart, and stands in each program.
package bridge

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings are read from the environment, under the names that speechbridge reads too.
type Settings struct {
	Address       string        // SERVER_HOST:SERVER_PORT
	WhisperURL    string        // WHISPER_URL, no slash at its end
	LLMURL        string        // OLLAMA_URL, no slash at its end
	OpenAIChat    bool          // GENERATOR=openai: /v1/chat/completions in place of /api/chat
	DefaultModel  string        // MODELS, its first entry
	MaxConcurrent int           // MAX_CONCURRENT_REQUESTS
	Timeout       time.Duration // REQUEST_TIMEOUT, in seconds
}

// LoadSettings reads the environment and names the first setting that makes no sense.
func LoadSettings() (Settings, error) {
	concurrent, err := strconv.Atoi(env("MAX_CONCURRENT_REQUESTS", "50"))
	if err != nil || concurrent < 1 {
		return Settings{}, fmt.Errorf("MAX_CONCURRENT_REQUESTS is not a positive number")
	}
	seconds, err := strconv.ParseFloat(env("REQUEST_TIMEOUT", "300"), 64)
	if err != nil || seconds <= 0 {
		return Settings{}, fmt.Errorf("REQUEST_TIMEOUT is not a positive number of seconds")
	}
	generator := env("GENERATOR", "ollama")
	if generator != "ollama" && generator != "openai" {
		return Settings{}, fmt.Errorf("GENERATOR is neither ollama nor openai: %q", generator)
	}
	model, _, _ := strings.Cut(env("MODELS", "llama3"), ",")
	return Settings{
		Address:       env("SERVER_HOST", "0.0.0.0") + ":" + env("SERVER_PORT", "8080"),
		WhisperURL:    strings.TrimSuffix(env("WHISPER_URL", "http://whisper:9000"), "/"),
		LLMURL:        strings.TrimSuffix(env("OLLAMA_URL", "http://ollama:11434"), "/"),
		OpenAIChat:    generator == "openai",
		DefaultModel:  strings.TrimSpace(model),
		MaxConcurrent: concurrent,
		Timeout:       time.Duration(seconds * float64(time.Second)),
	}, nil
}

func env(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
