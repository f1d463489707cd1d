package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/libs/local"
	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/trial"
)

// loadFlags say what is loaded, for every command that loads.
type loadFlags struct {
	frame, publishers int
	failing           float64
	chunk             people.Chunk
	keys              bool
	bin, buffers      string
	nats              int
	env               []string
}

func (o *loadFlags) add(cmd *cobra.Command, chunk people.Chunk) {
	f := cmd.Flags()
	f.IntVar(&o.frame, "frame", 500, "records in a frame")
	f.IntVar(&o.publishers, "publishers", 8, "frames that are on their way at a time")
	f.Float64Var(&o.failing, "failing", failing, "part of the rows that the org refuses when it sees them first")
	f.IntVar(&o.chunk.Rows, "chunk-rows", chunk.Rows, "rows of a chunk at most")
	f.Int64Var(&o.chunk.Bytes, "chunk-bytes", chunk.Bytes, "bytes of a chunk at most")
	f.DurationVar(&o.chunk.Age, "chunk-age", chunk.Age, "age at which a chunk is sealed though it is not full")
	f.BoolVar(&o.keys, "keys", false, "the publisher gives each record a key (default: it is made from the content)")
	f.IntVar(&o.nats, "nats", 1, "servers of the broker; 3 = a cluster with three replicas of each stream")
	f.StringVar(&o.bin, "bin", "", "directory with the programs that are measured (default: they are built)")
	f.StringVar(&o.buffers, "shared-buffers", local.SharedBuffers(), "PostgreSQL's setting; that of one-machine mode unless it is given")
	f.StringArrayVar(&o.env, "env", nil, "`NAME=VALUE` for every program that is measured, such as GOGC=50; may be repeated")
}

// binaries are built into a directory that goes at the end, unless one is named.
func (o *loadFlags) binaries(ctx context.Context) (bin string, done func(), err error) {
	if o.bin != "" {
		bin, err = filepath.Abs(o.bin)
		return bin, func() {}, err
	}
	dir, err := os.MkdirTemp("", "bulkhead-bench-bin-")
	if err != nil {
		return "", nil, fmt.Errorf("directory for programs: %w", err)
	}
	done = func() { _ = os.RemoveAll(dir) } // what is left of it is in the system's directory for that
	if err := parts.Build(ctx, dir); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}

func (o *loadFlags) options(records int64, bin, self string) trial.Options {
	return trial.Options{
		Records: records, Frame: o.frame, Publishers: o.publishers, Failing: o.failing, Chunk: o.chunk, Keys: o.keys, Bin: bin, Self: self,
		SharedBuffers: o.buffers, Nodes: o.nats, Env: o.env,
	}
}

// words are the settings for people, without what a case says of itself.
func (o *loadFlags) words() string {
	keys := "keys made from the content"
	if o.keys {
		keys = "keys given by the publisher"
	}
	broker := ""
	if o.nats > 1 {
		broker = fmt.Sprintf(", a cluster of %d servers with as many replicas", o.nats)
	}
	return fmt.Sprintf("Upserts of some 250 bytes, frames of %d, %d on their way, %s%s, shared_buffers %s%s",
		o.frame, o.publishers, keys, broker, o.buffers, strings.Join(append([]string{""}, o.env...), ", "))
}
