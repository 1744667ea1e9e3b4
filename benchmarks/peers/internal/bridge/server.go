package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// DefaultPrompt goes before the transcript when the client sends none.
const DefaultPrompt = "Process this transcription:"

// Answer is what POST /process gives back.
type Answer struct {
	Transcription string `json:"transcription"`
	Response      string `json:"response"`
	ProcessTimeMS int64  `json:"process_time_ms"`
	Model         string `json:"model"`
}

// Handler answers one POST /process. An error it returns has not been sent to the client yet.
type Handler func(w http.ResponseWriter, r *http.Request) error

// StatusError is an error with the HTTP status the client should see.
type StatusError struct {
	Status int
	Err    error
}

func (e *StatusError) Error() string { return e.Err.Error() }
func (e *StatusError) Unwrap() error { return e.Err }

// BadRequest marks an error as the client's.
func BadRequest(format string, args ...any) error {
	return &StatusError{Status: http.StatusBadRequest, Err: fmt.Errorf(format, args...)}
}

// Run serves the handler until SIGTERM or SIGINT, at most MaxConcurrent requests at a time, one log line for each.
func Run(settings Settings, process Handler) error {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slots := make(chan struct{}, settings.MaxConcurrent)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") })
	mux.HandleFunc("POST /process", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), settings.Timeout)
		defer cancel()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		started := time.Now()
		status := http.StatusOK
		err := process(w, r.WithContext(ctx))
		if err != nil {
			status = http.StatusBadGateway
			var known *StatusError
			if errors.As(err, &known) {
				status = known.Status
			}
			http.Error(w, err.Error(), status)
		}
		log.LogAttrs(ctx, slog.LevelInfo, "request",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
			slog.Int64("bytes", r.ContentLength), slog.Duration("duration", time.Since(started)), slog.Any("error", err))
	})

	server := &http.Server{Addr: settings.Address, Handler: mux}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopped <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// WriteAnswer sends the JSON answer.
func WriteAnswer(w http.ResponseWriter, answer Answer) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(answer)
}
