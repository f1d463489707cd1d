package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"bulkhead/libs/publish"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/pump"
)

// newPublish is the publisher of a run, a process of its own. It prints what it did as one line of JSON.
func newPublish() *cobra.Command {
	o := pump.Options{Pipeline: people.Pipeline}
	keys := false
	cmd := &cobra.Command{
		Use: "publish", Short: "Be the publisher of a run", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Record = func(body []byte, i int64) publish.Record {
				r := publish.Record{Body: people.AppendJSON(body, i)}
				if keys {
					r.Key = people.Key(i)
				}
				return r
			}
			res, err := pump.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.URL, "nats", "", "URL of the broker")
	f.Int64Var(&o.Records, "records", 0, "how many")
	f.IntVar(&o.Frame, "frame", 500, "records in a frame")
	f.IntVar(&o.Publishers, "publishers", 8, "frames that are on their way at a time")
	f.BoolVar(&keys, "keys", false, "give each record a key")
	f.Int64Var(&o.Rate, "rate", 0, "records a second; 0 = as fast as they are taken")
	return cmd
}
