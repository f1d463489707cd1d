package bus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Holders are the names of the servers that hold a stream of ours, sorted: what one of them acknowledges is as safe as its own disk. Without a cluster it is
// the server that is connected to; before there is a stream, none.
func Holders(ctx context.Context, conn *Conn) ([]string, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	names := map[string]bool{}
	list := conn.JS.ListStreams(ctx)
	for info := range list.Info() {
		name := info.Config.Name
		if name != StreamFlow && name != StreamDLQ && !strings.HasPrefix(name, RecordsStream("")) {
			continue
		}
		if info.Cluster == nil || info.Cluster.Name == "" {
			names[conn.NC.ConnectedServerName()] = true
			continue
		}
		if info.Cluster.Leader != "" {
			names[info.Cluster.Leader] = true
		}
		for _, replica := range info.Cluster.Replicas {
			names[replica.Name] = true
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	return slices.Sorted(maps.Keys(names)), nil
}
