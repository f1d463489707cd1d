// Command orgsim serves the simulated Salesforce org until it is told to end by SIGTERM or Ctrl-C.
//
// It prints one JSON line with its URL when it is ready. What the org can do stands in the comments of its packages:
// app (how it is put together), internal/rest (its API), internal/control (the control API under /sim/).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"bulkhead/libs/service"
	"bulkhead/services/orgsim/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command: 0 after a clean end, 1 when serving broke off, 2 for wrong flags or configuration.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, debug, err := readOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "orgsim:", err)
		return 2
	}
	if debug != "" {
		profiles, err := service.ServeDebug(ctx, debug)
		if err != nil {
			_, _ = fmt.Fprintln(stderr, "orgsim:", err)
			return 2
		}
		defer func() { _ = profiles.Stop(context.WithoutCancel(ctx)) }() // the process ends with it
	}
	sim, err := app.New(opts)
	if err == nil {
		err = sim.Start(ctx)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "orgsim:", err)
		return 2
	}
	_ = json.NewEncoder(stdout).Encode(map[string]string{
		"endpoint": "simulator", "url": sim.URL(), "client_id": opts.ClientID, "control_url": sim.URL() + "/sim",
	})
	if err := sim.Serve(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "orgsim:", err)
		return 1
	}
	return 0
}

// readOptions reads the command line; debug is where profiles are shown, "" = nowhere.
func readOptions(args []string, stderr io.Writer) (opts app.Options, debug string, err error) {
	fs := flag.NewFlagSet("orgsim", flag.ContinueOnError)
	fs.SetOutput(stderr)
	listen := fs.String("listen", app.DefaultListen, "`address` to serve on; port 0 takes a free one")
	model := fs.String("model", "", "YAML `file` of the object model, as explained in services/orgsim/examples/model.yaml (default: Account and Contact, built in)")
	clientID := fs.String("client-id", app.DefaultClientID, "client `id` that the token endpoint accepts")
	secretFile := fs.String("client-secret-file", "", "`file` that holds the client secret (default: "+app.DefaultClientSecret+")")
	var keyFiles []string
	fs.Func("jwt-public-key", "PEM `file` of an RSA certificate or public key whose JWT assertions the token endpoint accepts; may be given more than once", func(name string) error {
		keyFiles = append(keyFiles, name)
		return nil
	})
	passwordFile := fs.String("password-file", "", "`file` that holds the password of every user, for the password flow and SOAP login (default: "+app.DefaultPassword+")")
	seed := fs.Int64("org-seed", 0, "`number` that decides all ids: the same seed is the same org")
	public := fs.String("public-url", "", "base `URL` under which callers reach the org (default: the host that each caller used)")
	certFile := fs.String("tls-cert", "", "PEM `file` of the certificate to serve https with; needs --tls-key (default: http)")
	keyFile := fs.String("tls-key", "", "PEM `file` of its private key")
	fs.StringVar(&debug, "debug-listen", "", "loopback `address` that shows the process's profiles under /debug/pprof/ (default: none)")
	verbose := fs.Bool("verbose", false, "log a line per finished job")
	if err := fs.Parse(args); err != nil {
		return app.Options{}, "", err
	}
	if fs.NArg() > 0 {
		return app.Options{}, "", fmt.Errorf("unknown argument %q; orgsim takes flags only", fs.Arg(0))
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	opts = app.Options{
		Listen: *listen, ModelFile: *model, ClientID: *clientID, OrgSeed: *seed, PublicURL: *public,
		TLSCertFile: *certFile, TLSKeyFile: *keyFile,
		Logger: slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level})),
	}
	if err := readFiles(&opts, *secretFile, *passwordFile, keyFiles); err != nil {
		return app.Options{}, "", err
	}
	return opts, debug, nil
}

// readFiles fills in what is kept out of the command line.
func readFiles(opts *app.Options, secretFile, passwordFile string, keyFiles []string) error {
	for _, f := range []struct {
		flag, name string
		to         *string
	}{
		{"client-secret-file", secretFile, &opts.ClientSecret}, {"password-file", passwordFile, &opts.Password},
	} {
		if f.name == "" {
			continue
		}
		text, err := os.ReadFile(f.name)
		if err != nil {
			return fmt.Errorf("--%s: %w", f.flag, err)
		}
		if *f.to = strings.TrimSpace(string(text)); *f.to == "" {
			return fmt.Errorf("--%s: %s is empty", f.flag, f.name)
		}
	}
	for _, name := range keyFiles {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("--jwt-public-key: %w", err)
		}
		opts.JWTPublicKeys = append(opts.JWTPublicKeys, text)
	}
	return nil
}
