package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/service"
	"bulkhead/services/bulkhead/internal/allinone"
)

func newDev(g *globals) *cobra.Command {
	var (
		o          allinone.Options
		secretFile string
	)
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run every service in one process, until Ctrl-C",
		Long: `Run PostgreSQL, NATS, the simulator and every service on this machine, on loopback, until Ctrl-C.

stdout: one JSON object a line: an endpoint each for nats, ops_http, ops_grpc, simulator and postgres, and last
{"event":"ready","pipelines":[...]}. Logs go to stderr. A port of 0 means a free one.

Without --data everything is gone at the end. With --data DIR PostgreSQL and NATS are kept there, and a simulator that outlives
this process is needed, since Salesforce would not forget either: run "bulkhead sim" and name it with --sim.

--pipelines DIR applies the definitions of a directory, those that others depend on (dependsOn) first; --model FILE gives the
simulated org the objects that they write.

PostgreSQL: --postgres or DATABASE_URL if given, else the programs found on this machine. NATS: the server of --nats, which should sync every
write before it acknowledges it (sync_interval: always), else one in this process.`,
		Example: `  bulkhead dev
  bulkhead dev --model model.yaml --pipelines ./pipelines
  bulkhead sim --listen 127.0.0.1:8082
  bulkhead dev --data ./state --sim http://127.0.0.1:8082`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkDev(&o, secretFile); err != nil {
				return usage(err)
			}
			service.TuneCollector(allinone.MemoryFloor)
			o.LogTo, o.Level = g.err, service.LogLevel()
			stack, err := allinone.Start(cmd.Context(), o)
			if err != nil {
				return startError(cmd.Context(), err)
			}
			if err := printEndpoints(g.out, stack); err != nil {
				return errors.Join(err, stack.Stop())
			}
			select {
			case <-cmd.Context().Done():
				return stack.Stop()
			case err := <-stack.Failed():
				return errors.Join(err, stack.Stop())
			}
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.NATSPort, "nats-port", 4222, "port of NATS")
	f.IntVar(&o.OpsPort, "ops-port", 8080, "port of ops' HTTP API")
	f.IntVar(&o.GRPCPort, "grpc-port", 8081, "port of ops' gRPC API")
	f.IntVar(&o.SimPort, "sim-port", 8082, "port of the simulator")
	f.StringVar(&o.DataDir, "data", "", "directory that keeps PostgreSQL and NATS; needs --sim")
	f.StringVar(&o.SimURL, "sim", "", "URL of a simulator that runs elsewhere")
	f.StringVar(&o.SimClientID, "sim-client-id", "", "client id for --sim (default bulkhead)")
	f.StringVar(&secretFile, "sim-client-secret-file", "", "file with the client secret for --sim-client-id")
	f.StringVar(&o.SimOrgID, "sim-org-id", "", "`id` that the org at --sim must have (default: the one seen first; name it when the change is meant)")
	f.StringVar(&o.SimModelFile, "model", "", "YAML `file` with the object model of the simulator (default: Account and Contact)")
	f.StringVar(&o.NATSURL, "nats", "", "URL of a NATS server with JetStream that runs elsewhere; of a cluster those of its servers, separated by commas")
	f.IntVar(&o.Replicas, "replicas", 1, "replicas of each stream in the cluster at --nats: 1, 3 or 5")
	f.StringVar(&o.DebugListen, "debug-listen", "", "loopback `address` that shows the process's profiles under /debug/pprof/ (default: none)")
	f.StringVar(&o.PipelinesDir, "pipelines", "", "directory with pipeline definitions (default: the shipped ones)")
	f.DurationVar(&o.Horizon, "horizon", 0, "how long decided records stay in the stream, for bulkhead replay; 0 = they go at once")
	postgresFlag(cmd, &o.PostgresDSN)
	return cmd
}

// postgresFlag: the environment is read when the command runs, so that a connection string never stands in a help text.
func postgresFlag(cmd *cobra.Command, dsn *string) {
	cmd.Flags().StringVar(dsn, "postgres", "", "administrator's connection string of a running PostgreSQL (or DATABASE_URL)")
	cmd.PreRun = func(*cobra.Command, []string) {
		if *dsn == "" {
			*dsn = os.Getenv("DATABASE_URL")
		}
	}
}

func checkDev(o *allinone.Options, secretFile string) error {
	for name, port := range map[string]int{"--nats-port": o.NATSPort, "--ops-port": o.OpsPort, "--grpc-port": o.GRPCPort, "--sim-port": o.SimPort} {
		if port < 0 || port > 65535 {
			return fmt.Errorf("%s %d is no port: 0 to 65535", name, port)
		}
	}
	if o.NATSURL != "" {
		if err := bus.CheckURL(o.NATSURL); err != nil {
			return fmt.Errorf("--nats: %w", err) // it may hold a password: it is not repeated
		}
	}
	if o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5 {
		return fmt.Errorf("--replicas %d: 1, or 3 or 5 in a cluster", o.Replicas)
	}
	if o.DataDir != "" && o.SimURL == "" {
		return fmt.Errorf(`--data needs a simulator that outlives this process. Type:
  bulkhead sim --listen 127.0.0.1:8082
  bulkhead dev --data %s --sim http://127.0.0.1:8082`, o.DataDir)
	}
	if o.SimURL != "" {
		u, err := url.Parse(o.SimURL)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return fmt.Errorf("--sim %q must look like http://127.0.0.1:8082", o.SimURL)
		}
		o.SimURL = strings.TrimRight(o.SimURL, "/")
	}
	if o.SimOrgID != "" {
		if o.SimURL == "" {
			return errors.New("--sim-org-id is for the org that --sim names")
		}
		id, err := salesforce.ID18(o.SimOrgID)
		if err != nil || !strings.HasPrefix(id, "00D") {
			return fmt.Errorf("--sim-org-id %q is no id of an org: 00D and 15 or 18 characters in all", o.SimOrgID)
		}
		o.SimOrgID = id
	}
	if o.Horizon < 0 {
		return fmt.Errorf("--horizon %s is negative", o.Horizon)
	}
	if o.SimURL != "" && o.SimModelFile != "" {
		return errors.New("--model is for a simulator of dev's own: give it to bulkhead sim, which --sim names")
	}
	if (o.SimClientID == "") != (secretFile == "") {
		return errors.New("--sim-client-id and --sim-client-secret-file belong together")
	}
	if secretFile != "" {
		secret, err := readSecret("--sim-client-secret-file", secretFile)
		if err != nil {
			return err
		}
		o.SimClientSecret = secret
	}
	return nil
}

// readSecret reads the file that a flag names.
func readSecret(flag, file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if s := strings.TrimSpace(string(b)); s != "" {
		return s, nil
	}
	return "", fmt.Errorf("%s: %s is empty", flag, file)
}

// startError says what kind of trouble kept the stack from starting.
func startError(ctx context.Context, err error) error {
	var (
		port *allinone.PortTakenError
		def  *allinone.DefinitionError
		mod  *allinone.ModelError
	)
	switch {
	case ctx.Err() != nil:
		return exit(ExitInterrupted, errors.New("interrupted while starting"))
	case errors.As(err, &port):
		return usage(port)
	case errors.As(err, &def):
		return usage(def)
	case errors.As(err, &mod):
		return usage(mod)
	case errors.Is(err, local.ErrNoPostgres), errors.Is(err, local.ErrInUse):
		return usage(err)
	default:
		return exit(ExitUnreachable, err)
	}
}

func printEndpoints(w io.Writer, s *allinone.Stack) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	type endpoint struct {
		Endpoint string `json:"endpoint"`
		URL      string `json:"url"`
	}
	lines := []any{
		endpoint{"nats", s.NATSURL},
		endpoint{"ops_http", s.OpsHTTP},
		struct {
			Endpoint string `json:"endpoint"`
			Address  string `json:"address"`
		}{"ops_grpc", s.OpsGRPC},
		struct {
			endpoint
			ClientID     string `json:"client_id"`
			ClientSecret string `json:"client_secret"`
			ControlURL   string `json:"control_url"`
		}{endpoint{"simulator", s.SimURL}, s.SimClientID, s.SimSecret, s.SimControlURL},
		struct {
			Endpoint string `json:"endpoint"`
			DSN      string `json:"dsn"`
		}{"postgres", s.PostgresDSN},
	}
	if s.DebugURL != "" {
		lines = append(lines, endpoint{"debug", s.DebugURL})
	}
	for _, line := range append(lines, struct {
		Event     string   `json:"event"`
		Pipelines []string `json:"pipelines"`
	}{"ready", s.Pipelines}) {
		if err := enc.Encode(line); err != nil {
			return fmt.Errorf("print endpoints: %w", err)
		}
	}
	return nil
}
