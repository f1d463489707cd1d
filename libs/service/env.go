package service

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Env is what a process gives to the service that runs in it.
type Env struct {
	Logger   *slog.Logger
	Registry *prometheus.Registry
	// Random gives numbers in [0,1) to whatever in the process is left to chance, from any goroutine; nil = math/rand/v2's. A test that plays the same
	// run twice gives one with a seed.
	Random func() float64
}

// Draw gives the next of the process's random numbers, in [0,1). It may be called from any goroutine.
func (e Env) Draw() float64 {
	if e.Random == nil {
		return rand.Float64() //nolint:gosec // jitter, not a secret
	}
	return e.Random()
}

// Spread draws a time from [0,d]; d below 0 counts as 0.
func (e Env) Spread(d time.Duration) time.Duration {
	return time.Duration(e.Draw() * float64(max(d, 0)+1))
}

// NewEnv makes an environment that logs JSON lines to w, with the service's name in each. In one-machine mode each service has
// an environment, and so a registry, of its own.
func NewEnv(name string, w io.Writer, level slog.Leveler) Env {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return Env{
		Logger:   slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})).With("service", name),
		Registry: reg,
	}
}

// LogLevel reads BULKHEAD_LOG_LEVEL (debug, info, warn, error; default info, also for what is none of these).
func LogLevel() slog.Level {
	l, _ := ReadLogLevel()
	return l
}

// ReadLogLevel is LogLevel that says when the variable is no level.
func ReadLogLevel() (slog.Level, error) {
	text := strings.TrimSpace(os.Getenv("BULKHEAD_LOG_LEVEL"))
	if text == "" {
		return slog.LevelInfo, nil
	}
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, l.String()) {
			return l, nil
		}
	}
	return slog.LevelInfo, fmt.Errorf("environment variable BULKHEAD_LOG_LEVEL: %q is none of debug, info, warn, error", text)
}

// version is set by the linker: -X bulkhead/libs/service.version=v1.2.3.
var version string

// Version says what was built: the linker's word, else what the Go toolchain recorded, else "dev".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return s.Value[:12]
			}
		}
	}
	return "dev"
}
