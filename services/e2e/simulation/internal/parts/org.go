package parts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"bulkhead/libs/memory/wire"
	orgsim "bulkhead/services/orgsim/app"
)

// Org is the simulator behind a network of its own.
type Org struct {
	// Net is where services call it, Sim the simulator itself.
	Net *wire.Net
	Sim *orgsim.App

	server *http.Server
	served chan error
}

// OpenOrg lets a simulated org serve a network. Its clock is that of the bubble, ahead by as much as is said.
func OpenOrg(o orgsim.Options, ahead time.Duration) (*Org, error) {
	o.Clock = func() time.Time { return time.Now().Add(ahead) }
	sim, err := orgsim.New(o)
	if err != nil {
		return nil, err
	}
	org := &Org{Net: wire.Open("org"), Sim: sim, served: make(chan error, 1)}
	org.server = &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { org.served <- org.server.Serve(org.Net) }()
	return org, nil
}

// Close stops the org, and waits until it has.
func (o *Org) Close(ctx context.Context) error {
	err := errors.Join(o.Sim.Stop(ctx), o.server.Shutdown(ctx))
	if served := <-o.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// OrgDocument is the document of the org, "main", by which services sign in to it; the secret is written into dir.
func OrgDocument(dir string) ([]byte, error) {
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(orgsim.DefaultClientSecret), 0o600); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: http://127.0.0.1\nclientId: %s\nauth: client_credentials\nclientSecretFile: %s\n"+
		"apiVersion: \"66.0\"\norphans: abort\nallowInsecureLoopback: true\n", orgsim.DefaultClientID, secret), nil
}
