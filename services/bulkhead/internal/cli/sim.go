package cli

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"bulkhead/libs/service"
	orgsim "bulkhead/services/orgsim/app"
)

func newSim(g *globals) *cobra.Command {
	var (
		o            orgsim.Options
		secretFile   string
		passwordFile string
		keyFiles     []string
	)
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run the Salesforce simulator, until Ctrl-C",
		Long: `Run a simulated Salesforce org: tokens in every flow, Bulk API 2.0 ingest and query jobs, records, describe, limits and
SOQL, with an object model from a YAML file. It lives in memory and forgets everything at the end. Its control API under /sim/ tells what the
org holds and was sent, and takes faults; GET /sim/ lists it.

stdout: one JSON object with the addresses when it serves.`,
		Example: `  bulkhead sim --listen 127.0.0.1:8082
  bulkhead sim --listen 127.0.0.1:8082 --model model.yaml --org-seed 7
  bulkhead sim --jwt-public-key server.crt
  bulkhead sim --tls-cert cert.pem --tls-key key.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (o.ClientID == "") != (secretFile == "") {
				return usage(errors.New("--client-id and --client-secret-file belong together"))
			}
			if secretFile != "" {
				secret, err := readSecret("--client-secret-file", secretFile)
				if err != nil {
					return usage(err)
				}
				o.ClientSecret = secret
			} else {
				o.ClientID, o.ClientSecret = orgsim.DefaultClientID, orgsim.DefaultClientSecret
			}
			if passwordFile != "" {
				password, err := readSecret("--password-file", passwordFile)
				if err != nil {
					return usage(err)
				}
				o.Password = password
			}
			for _, name := range keyFiles {
				text, err := os.ReadFile(name)
				if err != nil {
					return usage(fmt.Errorf("--jwt-public-key: %w", err))
				}
				o.JWTPublicKeys = append(o.JWTPublicKeys, text)
			}
			if _, _, err := net.SplitHostPort(o.Listen); err != nil {
				return usage(fmt.Errorf("--listen %q must look like 127.0.0.1:8082", o.Listen))
			}
			o.Logger = service.NewEnv("orgsim", g.err, service.LogLevel()).Logger
			sim, err := orgsim.New(o)
			if err != nil {
				return usage(err)
			}
			if err := sim.Start(cmd.Context()); err != nil {
				return usage(err)
			}
			fmt.Fprintf(g.out, "{\"endpoint\":\"simulator\",\"url\":%q,\"client_id\":%q,\"control_url\":%q}\n", sim.URL(), o.ClientID, sim.URL()+"/sim")
			return sim.Serve(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", orgsim.DefaultListen, "address to listen on; port 0 = a free one")
	f.StringVar(&o.ModelFile, "model", "", "YAML file with the object model (default: Account and Contact)")
	f.StringVar(&o.ClientID, "client-id", "", "client id of the connected app (default bulkhead)")
	f.StringVar(&secretFile, "client-secret-file", "", "file with its secret (default secret: bulkhead-dev)")
	f.StringVar(&passwordFile, "password-file", "", "file with the password of every user, for the password flow and SOAP login (default bulkhead-dev)")
	f.StringVar(&o.PublicURL, "public-url", "", "base URL under which callers reach the org (default: the host that each caller used)")
	f.StringArrayVar(&keyFiles, "jwt-public-key", nil, "PEM file of an RSA certificate or public key whose JWT assertions are accepted; may be repeated")
	f.StringVar(&o.TLSCertFile, "tls-cert", "", "PEM file of the certificate to serve https with; needs --tls-key (default: http)")
	f.StringVar(&o.TLSKeyFile, "tls-key", "", "PEM file of its private key")
	f.Int64Var(&o.OrgSeed, "org-seed", 0, "decides the org's ids: the same seed is the same org")
	f.IntVar(&o.RowsPerSecond, "rows-per-second", 0, "speed of processing over all jobs (default 20000; below 0 = as fast as it can)")
	f.Lookup("org-seed").DefValue = "0"
	f.Lookup("rows-per-second").DefValue = "0"
	return cmd
}
