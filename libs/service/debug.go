package service

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
)

// ServeDebug serves the Go runtime's profiles of this process (/debug/pprof/) until the server is stopped. Who profiles sets what is sampled by
// POST /debug/rates?block=NS&mutex=N: one blocking event for so many nanoseconds, one contention of so many; 0 = none, which is how a process
// starts. A profile shows what a process works on and can be made to cost it, so that only loopback addresses are taken.
func ServeDebug(ctx context.Context, address string) (*Server, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("debug address %q must look like 127.0.0.1:6060: %w", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("debug address %q is not on loopback: profiles are for this machine only, such as 127.0.0.1:6060", address)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("POST /debug/rates", setRates)
	return Serve(ctx, address, fromHere(http.NewCrossOriginProtection().Handler(mux)))
}

// fromHere refuses what was sent to another name than this machine's own: a page in a browser that a name server deceives could else ask. What a page of
// elsewhere makes a browser send to the right name cannot be read by it, and changes nothing: that is refused behind this.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "profiles are shown to this machine only, under its loopback address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func setRates(w http.ResponseWriter, r *http.Request) {
	for name, set := range map[string]func(int){
		"block": runtime.SetBlockProfileRate,
		"mutex": func(n int) { runtime.SetMutexProfileFraction(n) },
	} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			http.Error(w, name+" must be a number from 0 on", http.StatusBadRequest)
			return
		}
		set(n)
	}
}
