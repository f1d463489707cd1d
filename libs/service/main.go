package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Program is one service as a process: main.go fills it and exits with what Main returns.
type Program struct {
	// Name of the service, as in its schema and its logs.
	Name string
	// Config is a pointer to the service's configuration with its defaults in it. It is checked if it is [Checked].
	Config any
	// Migrate brings the service's role and schema up to date as an administrator, and sets the role's password unless it is
	// empty; nil = the service has none.
	Migrate func(ctx context.Context, adminDSN, rolePassword string) error
	// Verbs are what the program does beside serving and migrate, with the same configuration.
	Verbs []Verb
	// Run serves until ctx ends.
	Run func(ctx context.Context, env Env) error
}

// Verb is one thing that a person has a service's program do: `NAME ARGUMENT`.
type Verb struct {
	// Name is typed, Argument is what the usage calls the one word behind it, and Short says in half a line what it does; Long is for --help.
	Name, Argument, Short, Long string
	// Run does it, with the configuration read and checked, and returns the exit code. It ends soon after ctx.
	Run func(ctx context.Context, env Env, argument string) int
}

// Checked is a configuration that says what is wrong with it once it is read, before anything is opened.
type Checked interface{ Check() error }

// Exit codes of a service's process.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs a program with the process's own arguments and signals.
func Main(p Program) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // from now on a second signal ends the process at once
	}()
	return p.run(ctx, os.Args[1:], os.Stderr)
}

func (p Program) run(ctx context.Context, args []string, errOut io.Writer) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(errOut)
	config := flags.String("config", os.Getenv("BULKHEAD_CONFIG"), "YAML file with the configuration (or BULKHEAD_CONFIG)")
	version := flags.Bool("version", false, "print the version and exit")
	flags.Usage = func() { p.usage(errOut, flags) }
	words, err := parse(flags, args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitUsage
	}
	if *version {
		fmt.Fprintln(errOut, p.Name, Version())
		return exitDone
	}
	level, err := ReadLogLevel()
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", p.Name, err)
		return exitUsage
	}
	env := NewEnv(p.Name, errOut, level)
	if p.Migrate != nil && len(words) == 1 && words[0] == "migrate" {
		return p.migrate(ctx, env)
	}
	verb, err := p.verb(words)
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", p.Name, err)
		flags.Usage()
		return exitUsage
	}
	err = LoadConfig(*config, p.Config)
	if c, ok := p.Config.(Checked); ok && err == nil {
		err = c.Check()
	}
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", p.Name, err)
		return exitUsage
	}
	if verb != nil {
		return verb.Run(ctx, env, words[1])
	}
	TuneCollector(0)
	env.Logger.Info("starting", "version", Version())
	if err := p.Run(ctx, env); err != nil && !errors.Is(err, context.Canceled) {
		env.Logger.Error("stopped", "error", err)
		return exitFailed
	}
	env.Logger.Info("stopped")
	return exitDone
}

// parse takes flags before, between and behind the words, which it returns: `--config FILE resume PIPELINE` and `resume PIPELINE --config FILE` are one.
func parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return words, nil
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
}

// verb is the one that the words name; nil = none, which is to serve.
func (p Program) verb(words []string) (*Verb, error) {
	if len(words) == 0 {
		return nil, nil
	}
	for i, v := range p.Verbs {
		switch {
		case words[0] != v.Name:
		case len(words) != 2 || words[1] == "":
			return nil, fmt.Errorf("%s takes one argument, %s", v.Name, v.Argument)
		default:
			return &p.Verbs[i], nil
		}
	}
	return nil, fmt.Errorf("unknown argument %q", words[len(words)-1])
}

func (p Program) usage(out io.Writer, flags *flag.FlagSet) {
	fmt.Fprintf(out, "usage: %s [--config FILE]            run until SIGTERM\n", p.Name)
	if p.Migrate != nil {
		fmt.Fprintf(out, "       %s migrate                     make role and schema current, as the administrator that BULKHEAD_ADMIN_DSN names;\n"+
			"                                     BULKHEAD_ROLE_PASSWORD becomes the role's password (each also as ..._FILE)\n", p.Name)
	}
	for _, v := range p.Verbs {
		fmt.Fprintf(out, "       %s [--config FILE] %s %s\n                                     %s\n", p.Name, v.Name, v.Argument, v.Short)
	}
	flags.PrintDefaults()
	for _, v := range p.Verbs {
		fmt.Fprintf(out, "\n%s: %s\n", v.Name, v.Long)
	}
}

// migrateConfig is what `migrate` is told, by environment or file only: both are secrets.
type migrateConfig struct {
	AdminDSN     string `env:"BULKHEAD_ADMIN_DSN"`
	RolePassword string `env:"BULKHEAD_ROLE_PASSWORD"`
}

func (p Program) migrate(ctx context.Context, env Env) int {
	var c migrateConfig
	if err := LoadConfig("", &c); err != nil {
		env.Logger.Error("migrate", "error", err)
		return exitUsage
	}
	if c.AdminDSN == "" {
		env.Logger.Error("migrate needs the administrator's connection string", "environment_variable", "BULKHEAD_ADMIN_DSN")
		return exitUsage
	}
	if err := p.Migrate(ctx, c.AdminDSN, c.RolePassword); err != nil {
		env.Logger.Error("migrate", "error", err)
		return exitFailed
	}
	env.Logger.Info("migrated")
	return exitDone
}
