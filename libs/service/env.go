package service

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Env is what a process gives to the service that runs in it.
type Env struct {
	Logger   *slog.Logger
	Registry *prometheus.Registry
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

// LogLevel reads BULKHEAD_LOG_LEVEL (debug, info, warn, error; default info).
func LogLevel() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.TrimSpace(os.Getenv("BULKHEAD_LOG_LEVEL")))); err != nil {
		return slog.LevelInfo
	}
	return l
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
