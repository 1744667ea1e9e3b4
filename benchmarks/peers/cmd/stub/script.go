package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// script says how the language model answers. The benchmark writes it into the prompt, which every bridge passes on:
// "tokens=2000 gap_us=200 first_us=20000 stamp=1"; what is not named keeps its default.
type script struct {
	tokens int           // how many words the answer has
	gap    time.Duration // pause after each word, each then flushed alone; 0: all in as few writes as the buffers allow
	first  time.Duration // pause before the first word
	stamp  bool          // each word is the moment it was written: nanoseconds of CLOCK_MONOTONIC
}

const (
	defaultTokens = 8
	mostTokens    = 100_000
	longestPause  = 10 * time.Second
)

var setting = regexp.MustCompile(`\b(tokens|gap_us|first_us|stamp)=(\d{1,9})\b`)

// readScript finds the script in the messages; limit is the request's own bound on tokens, 0 for none.
func readScript(messages []message, limit int) script {
	s := script{tokens: defaultTokens}
	for _, m := range messages {
		for _, found := range setting.FindAllStringSubmatch(m.Content, -1) {
			value, _ := strconv.Atoi(found[2]) // the expression lets only digits through
			switch found[1] {
			case "tokens":
				s.tokens = min(value, mostTokens)
			case "gap_us":
				s.gap = min(time.Duration(value)*time.Microsecond, longestPause)
			case "first_us":
				s.first = min(time.Duration(value)*time.Microsecond, longestPause)
			case "stamp":
				s.stamp = value == 1
			}
		}
	}
	if limit > 0 {
		s.tokens = min(s.tokens, limit)
	}
	return s
}

// word is one token of the answer, with the space before it that real tokens carry.
func (s script) word() string {
	if s.stamp {
		return fmt.Sprintf(" %d", monotonic())
	}
	return " word"
}

// play calls write for each word; flush is called where the script wants a word to leave alone.
func (s script) play(write func(text string), flush func()) {
	if s.first > 0 {
		flush()
		time.Sleep(s.first)
	}
	for range s.tokens {
		write(s.word())
		if s.gap > 0 {
			flush()
			time.Sleep(s.gap)
		}
	}
}

// whole is the answer in one piece.
func (s script) whole() string {
	var text strings.Builder
	time.Sleep(s.first + time.Duration(s.tokens)*s.gap)
	for range s.tokens {
		text.WriteString(s.word())
	}
	return text.String()
}

// monotonic is CLOCK_MONOTONIC in nanoseconds, which all processes of a machine share; time.Now hides its own.
func monotonic() int64 {
	const clockMonotonic = 1
	var now syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic(errno)
	}
	return now.Nano()
}
