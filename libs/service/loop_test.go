package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func quiet() Env {
	return Env{Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()}
}

func TestLoop(t *testing.T) {
	t.Run("calls the pass again at once while it finds work, then rests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var calls atomic.Int32
			go RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Minute, Pass: func(context.Context) (int, error) {
				return max(3-int(calls.Add(1)), 0), nil
			}})
			synctest.Wait()
			if n := calls.Load(); n != 3 {
				t.Errorf("called %d times before the rest, want 3", n)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if calls.Load() < 4 {
				t.Errorf("not called after the rest")
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("a bell ends the rest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			bell := NewBell()
			var calls atomic.Int32
			go RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Hour, Wake: bell.C(), Pass: func(context.Context) (int, error) { calls.Add(1); return 0, nil }})
			synctest.Wait()
			bell.Ring()
			synctest.Wait()
			if n := calls.Load(); n != 2 {
				t.Errorf("called %d times, want 2: at the start and for the bell", n)
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("survives errors and panics, and rests longer each time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var calls atomic.Int32
			go RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Hour, Pass: func(context.Context) (int, error) {
				if calls.Add(1)%2 == 0 {
					panic("boom")
				}
				return 0, errors.New("no")
			}})
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := calls.Load(); n < 300 || n > 900 {
				t.Errorf("called %d times in an hour: a rest between 5 and 10 s after each failure gives 360 to 720", n)
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("returns when the context ends, in the middle of a rest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Hour, Pass: func(context.Context) (int, error) { return 0, nil }})
				close(done)
			}()
			synctest.Wait()
			cancel()
			<-done
		})
	})
}

func TestLifecycle(t *testing.T) {
	t.Run("steps run in reverse, all of them, once", func(t *testing.T) {
		var l Lifecycle
		var order []string
		add := func(name string, err error) {
			l.Add(name, func(context.Context) error { order = append(order, name); return err })
		}
		add("pool", nil)
		add("broker", errors.New("gone"))
		add("loops", nil)
		first, second := l.Stop(t.Context()), l.Stop(t.Context())
		if got := strings.Join(order, " "); got != "loops broker pool" {
			t.Errorf("order %q", got)
		}
		if first == nil || !strings.Contains(first.Error(), "stop broker: gone") || !errors.Is(second, first) {
			t.Errorf("errors %v and %v", first, second)
		}
	})
	t.Run("a zero value stops without a word", func(t *testing.T) {
		var l Lifecycle
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestVerbs(t *testing.T) {
	type config struct {
		Listen string `yaml:"listen" env:"BULKHEAD_TEST_LISTEN"`
	}
	file := filepath.Join(t.TempDir(), "probe.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want int
		told string // what the verb was told, and with which configuration
	}{
		"a verb is run with its argument":                {[]string{"resume", "contacts"}, 4, "contacts "},
		"the configuration may stand before it":          {[]string{"--config", file, "resume", "contacts"}, 4, "contacts 127.0.0.1:7"},
		"the configuration may stand behind it":          {[]string{"resume", "contacts", "--config", file}, 4, "contacts 127.0.0.1:7"},
		"the configuration may stand in between":         {[]string{"resume", "--config=" + file, "contacts"}, 4, "contacts 127.0.0.1:7"},
		"a verb without its argument is a usage error":   {[]string{"resume"}, 2, ""},
		"a verb with two arguments is a usage error":     {[]string{"resume", "contacts", "accounts"}, 2, ""},
		"an unknown flag behind a verb is a usage error": {[]string{"resume", "contacts", "--nope"}, 2, ""},
		"a verb with no such file is refused":            {[]string{"resume", "contacts", "--config", file + ".gone"}, 2, ""},
		"help behind a verb is no failure":               {[]string{"resume", "--help"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var cfg config
			told := ""
			p := Program{
				Name: "probe", Config: &cfg,
				Run: func(context.Context, Env) error { told = "served"; return nil },
				Verbs: []Verb{{Name: "resume", Argument: "PIPELINE", Short: "go on", Long: "goes on", Run: func(_ context.Context, _ Env, argument string) int {
					told = argument + " " + cfg.Listen
					return 4
				}}},
			}
			if got := p.run(t.Context(), c.args, io.Discard); got != c.want || told != c.told {
				t.Errorf("exit %d, want %d; told %q, want %q", got, c.want, told, c.told)
			}
		})
	}
	t.Run("the usage says what it does", func(t *testing.T) {
		var out strings.Builder
		p := Program{Name: "probe", Config: &config{}, Verbs: []Verb{{Name: "resume", Argument: "PIPELINE", Short: "go on", Long: "goes on where it stopped"}}}
		p.run(t.Context(), []string{"--help"}, &out)
		if !strings.Contains(out.String(), "probe [--config FILE] resume PIPELINE") || !strings.Contains(out.String(), "resume: goes on where it stopped") {
			t.Error(out.String())
		}
	})
}

func TestProgramArguments(t *testing.T) {
	type config struct {
		Listen string `yaml:"listen" env:"BULKHEAD_TEST_LISTEN"`
	}
	p := Program{Name: "probe", Config: &config{}, Run: func(context.Context, Env) error { return nil }}
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"nothing runs the service":                {nil, 0},
		"help is no failure":                      {[]string{"--help"}, 0},
		"an unknown flag is a usage error":        {[]string{"--nope"}, 2},
		"an unknown word is a usage error":        {[]string{"frobnicate"}, 2},
		"a missing file is a configuration error": {[]string{"--config", "no-such-file.yaml"}, 2},
		"migrate without a schema is refused":     {[]string{"migrate"}, 2},
		"a directory is a configuration error":    {[]string{"--config", "."}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := p.run(t.Context(), c.args, io.Discard); got != c.want {
				t.Errorf("exit %d, want %d", got, c.want)
			}
		})
	}
}
