package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"bulkhead/libs/bus"
	"bulkhead/libs/doctor"
	"bulkhead/libs/pg"
	"bulkhead/services/bulkhead/internal/allinone"
	"bulkhead/services/bulkhead/internal/opsclient"
)

// doctorFlags are those of the command doctor.
type doctorFlags struct {
	dsnFile, nats, monitors string
}

func newDoctor(g *globals) *cobra.Command {
	o := doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what the installation stands on, and say what to do about what is wrong",
		Long: `Check what the installation stands on, a line each: PostgreSQL (version, a primary, durable settings, schema, connections), NATS (JetStream, payload,
room, every write synced), the streams (settings, replicas), the orgs (login, the org that is meant, version of the API, limits), and clocks. ops looks
at them, as it is connected to them; it logs in at every org, which costs each of them a call or two.

A check is ok, wrong or unknown. Unknown is what nobody tells, and is not ok: whether NATS syncs before it acknowledges is told at the monitoring
addresses of its servers alone (natsMonitor of ops).

With --dsn-file and --nats the ledger and the broker are looked at from here as well, also while ops is down or refuses. An administrator's address in the file
shows the schemas of all services.

Exit code 0: all is ok. 1: something is wrong. 3: nothing is known to be wrong, and something is unknown. 6: ops, or what is looked at from here,
cannot be reached.`,
		Example: `  bulkhead doctor
  bulkhead doctor --json
  bulkhead doctor --dsn-file /run/secrets/admin-dsn --nats nats://127.0.0.1:4222 --nats-monitor http://127.0.0.1:8222`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), g) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dsnFile, "dsn-file", "", "file that holds an address of PostgreSQL, to be looked at from here too")
	f.StringVar(&o.nats, "nats", "", "address of NATS, to be looked at from here too")
	f.StringVar(&o.monitors, "nats-monitor", "", "monitoring addresses of the NATS servers, with commas; goes with --nats")
	return cmd
}

// seen is a check and who made it.
type seen struct {
	From   string `json:"from"` // ops, or here
	Of     string `json:"of"`
	Name   string `json:"name"`
	Result string `json:"result"`
	Found  string `json:"found"`
	Fix    string `json:"fix"`
}

// diagnosis is all that was seen. Away says that ops, or what was looked at from here, cannot be reached.
type diagnosis struct {
	Checks  []seen `json:"checks"`
	OK      int    `json:"ok"`
	Wrong   int    `json:"wrong"`
	Unknown int    `json:"unknown"`
	away    bool
}

func (d *diagnosis) add(from string, checks ...doctor.Check) {
	for _, c := range checks {
		d.Checks = append(d.Checks, seen{From: from, Of: c.Of, Name: c.Name, Result: string(c.Result), Found: c.Found, Fix: c.Fix})
		switch c.Result {
		case doctor.OK:
			d.OK++
		case doctor.Wrong:
			d.Wrong++
		default: // what a newer ops calls otherwise is not known here
			d.Unknown++
		}
	}
}

func (d *diagnosis) code() int {
	switch {
	case d.away:
		return ExitUnreachable
	case d.Wrong > 0:
		return ExitFailed
	case d.Unknown > 0:
		return ExitPartly
	}
	return ExitDone
}

func (o *doctorFlags) run(ctx context.Context, g *globals) error {
	dsn, err := o.check()
	if err != nil {
		return usage(err)
	}
	c, err := g.client()
	if err != nil {
		return err
	}
	d := &diagnosis{Checks: []seen{}}
	if err := d.askOps(ctx, c); err != nil {
		var refused *opsclient.Error
		if !errors.As(err, &refused) || dsn == "" && o.nats == "" {
			return err
		}
		d.add("here", doctor.Check{
			Of: "ops", Name: "reachable", Result: doctor.Unknown, Found: "it answers, and does not look: " + err.Error(),
			Fix: "name a token of the role operator (--token-file); what it stands on is looked at from here below",
		})
	}
	if dsn != "" {
		d.lookAtLedger(ctx, dsn)
	}
	if o.nats != "" {
		d.lookAtBroker(ctx, o.nats, bus.Monitors(o.monitors))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.json {
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		fmt.Fprintf(g.out, "%s\n", text)
	} else {
		d.print(g)
	}
	return exitWith(d.code())
}

// check reads the address of the ledger, and says what is wrong with the flags.
func (o *doctorFlags) check() (dsn string, err error) {
	if o.monitors != "" && o.nats == "" {
		return "", errors.New("--nats-monitor goes with --nats")
	}
	if err := bus.CheckMonitors(o.monitors); err != nil {
		return "", fmt.Errorf("--nats-monitor: %w", err)
	}
	if o.nats != "" {
		if err := bus.CheckURL(o.nats); err != nil {
			return "", fmt.Errorf("--nats: %w", err)
		}
	}
	if o.dsnFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(o.dsnFile)
	if err != nil {
		return "", fmt.Errorf("--dsn-file: %w", err)
	}
	if dsn = strings.TrimSpace(string(text)); dsn == "" {
		return "", fmt.Errorf("--dsn-file: %s is empty", o.dsnFile)
	}
	return dsn, nil
}

// askOps has ops look. That it cannot be reached is something that was seen; that it refuses is an error, *opsclient.Error.
func (d *diagnosis) askOps(ctx context.Context, c *opsclient.Client) error {
	answer, err := c.Diagnosis(ctx)
	var away *opsclient.UnreachableError
	if errors.As(err, &away) {
		d.away = true
		d.add("here", doctor.Check{
			Of: "ops", Name: "reachable", Result: doctor.Wrong, Found: err.Error(),
			Fix: "see that it runs; meanwhile --dsn-file and --nats look at what it stands on from here",
		})
		return nil
	}
	var refused *opsclient.Error
	if errors.As(err, &refused) && refused.Code == codes.NotFound { // the address is there, the verb is not
		d.add("here", doctor.Check{
			Of: "ops", Name: "reachable", Result: doctor.Unknown, Found: "it answers, and cannot look: it is older than this command",
			Fix: "upgrade ops; meanwhile --dsn-file and --nats look at what it stands on from here",
		})
		return nil
	}
	if err != nil {
		return err
	}
	d.add("here", doctor.Check{Of: "ops", Name: "reachable", Result: doctor.OK, Found: "version " + answer.GetVersion()})
	for _, c := range answer.GetChecks() {
		d.add("ops", doctor.Check{Of: c.GetOf(), Name: c.GetName(), Result: doctor.Result(c.GetResult()), Found: c.GetFound(), Fix: c.GetFix()})
	}
	return nil
}

// lookFor bounds a look from here: a server that takes a connection and says nothing more is what the doctor is there for.
const lookFor = 20 * time.Second

// lookAtLedger looks at PostgreSQL from here.
func (d *diagnosis) lookAtLedger(ctx context.Context, dsn string) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	pool, err := pg.Open(ctx, dsn, pg.Options{AppName: "bulkhead-doctor", MaxConns: 1})
	if err != nil {
		d.away = d.away || !errors.Is(err, pg.ErrUnsafe) && !errors.Is(err, pg.ErrReplica)
		d.add("here", doctor.LedgerAway(err))
		return
	}
	defer pool.Close()
	d.add("here", doctor.Ledger(ctx, pool)...)
	d.add("here", doctor.Schemas(ctx, pool, allinone.Migrations()...)...)
}

// lookAtBroker looks at NATS from here.
func (d *diagnosis) lookAtBroker(ctx context.Context, url string, monitors []string) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	conn, err := bus.Connect(url, bus.ConnectOptions{Name: "bulkhead-doctor"})
	if err != nil {
		d.away = true
		d.add("here", doctor.BrokerAway(err))
		return
	}
	defer conn.Close()
	d.add("here", doctor.Broker(ctx, conn, monitors)...)
}

// print writes a line for each check, and below those that are not ok what to do.
func (d *diagnosis) print(g *globals) {
	for _, c := range d.Checks {
		from := ""
		if c.From == "here" && c.Of != "ops" {
			from = " (from here)"
		}
		fmt.Fprintf(g.out, "%-8s %s%s, %s: %s\n", printable(c.Result), printable(c.Of), from, printable(c.Name), oneLine(c.Found, 400))
		if c.Result != string(doctor.OK) && c.Fix != "" {
			fmt.Fprintf(g.out, "         fix: %s\n", oneLine(c.Fix, 400))
		}
	}
	fmt.Fprintf(g.out, "\n%d ok, %d wrong, %d unknown\n", d.OK, d.Wrong, d.Unknown)
}
