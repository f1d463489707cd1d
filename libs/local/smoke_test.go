package local

import (
	"context"
	"os"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	t0 := time.Now()
	p, err := StartPostgres(t.Context(), PostgresOptions{InitCache: os.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p.DSN(), time.Since(t0))
	if err := p.SetPasswords(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(p.DSNFor("ops"))
	t.Log(p.Stop(context.Background()), time.Since(t0))
	n, err := StartNATS(t.Context(), NATSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(n.URL(), n.Stop(context.Background()), time.Since(t0))
}
