package salesforce

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/record"
)

// everyFormOf is an error in all the ways in which a log may write it.
func everyFormOf(err error) string {
	text := fmt.Sprintf("%v\n%+v\n%#v\n%q", err, err, err, err)
	for ; err != nil; err = errors.Unwrap(err) {
		text += fmt.Sprintf("\n%+v %#v", err, err)
	}
	return text
}

func TestWhatARefusalRepeatsOfASecretIsNotPassedOn(t *testing.T) {
	const clientSecret = `s3cret/value+"x`
	forms := func(said string) []func(http.ResponseWriter) {
		return []func(http.ResponseWriter){
			func(w http.ResponseWriter) {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_client", "error_description": "no such client: " + said})
			},
			func(w http.ResponseWriter) {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": said, "error_description": "see there"})
			},
			func(w http.ResponseWriter) {
				writeError(w, http.StatusBadRequest, "ODD", strings.Repeat("x", 290)+said)
			},
			func(w http.ResponseWriter) {
				writeJSON(w, http.StatusForbidden, []map[string]any{{"errorCode": "ODD", "message": "m", "fields": []string{said}}})
			},
			func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway); _, _ = io.WriteString(w, said) },
			func(w http.ResponseWriter) {
				w.Header().Set("Location", "http://[%"+said)
				w.WriteHeader(http.StatusFound)
			},
			func(w http.ResponseWriter) { hijack(w, "HTTP/1.1 "+said+"\r\n\r\n") },
			func(w http.ResponseWriter) { hijack(w, "HTTP/1.1 200 OK\r\n"+said+"\r\n\r\n") },
		}
	}
	for i := range forms("") {
		t.Run(fmt.Sprintf("the client secret by a login, form %d", i), func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			o.login = func(_ int, w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, written, _ := strings.Cut(string(body), "client_secret=")
				written, _, _ = strings.Cut(written, "&")
				said := clientSecret
				if i > 4 {
					said = written // as it came
				}
				forms(said)[i](w)
			}
			c := o.client(func(cfg *Config) { cfg.ClientSecret = func() (string, error) { return clientSecret, nil } })
			_, err := c.Identity(t.Context())
			if err == nil || strings.Contains(everyFormOf(err), "s3cret") {
				t.Error(everyFormOf(err))
			}
		})
		t.Run(fmt.Sprintf("the assertion by a login, form %d", i), func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			o.login = func(_ int, w http.ResponseWriter, r *http.Request) { forms(r.FormValue("assertion"))[i](w) }
			_, err := o.client(withKey).Identity(t.Context())
			if text := everyFormOf(err); err == nil || strings.Contains(text, "eyJ") {
				t.Error(text)
			}
		})
		t.Run(fmt.Sprintf("the access token by a call, form %d", i), func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				forms(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))[i](w)
			})
			o.login = func(_ int, w http.ResponseWriter, _ *http.Request) { o.grant(w, "00D!AQ.s3cret", testOrg) }
			for name, call := range map[string]func(context.Context, *Client) error{
				"limits":  func(ctx context.Context, c *Client) error { _, err := c.Limits(ctx); return err },
				"results": func(ctx context.Context, c *Client) error { _, err := c.Results(ctx, testJob, Failed); return err },
				"upload": func(ctx context.Context, c *Client) error {
					return c.Upload(ctx, testJob, 1, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("a")), nil })
				},
			} {
				if err := call(t.Context(), o.client()); err == nil || strings.Contains(everyFormOf(err), "s3cret") {
					t.Errorf("%s: %s", name, everyFormOf(err))
				}
			}
		})
	}
	t.Run("the token by the reply that brought it", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		o.login = func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, map[string]string{"access_token": "00D!AQ.s3cret", "token_type": "x 00D!AQ.s3cret", "instance_url": o.server.URL, "id": o.server.URL + "/id/" + testOrg + "/" + testUser})
		}
		if _, err := o.client().Identity(t.Context()); err == nil || strings.Contains(everyFormOf(err), "s3cret") {
			t.Error(everyFormOf(err))
		}
	})
	t.Run("what is as short as a word stays", func(t *testing.T) {
		if got := withoutSecrets("no such client: a", []string{"", "a"}); got != "no such client: a" {
			t.Error(got)
		}
	})
}

func TestASessionInUseIsNotPrinted(t *testing.T) {
	o := newScriptedOrg(t, noLimits)
	o.login = func(_ int, w http.ResponseWriter, _ *http.Request) { o.grant(w, "00D!AQ.s3cret", testOrg) }
	c := o.client(func(cfg *Config) { cfg.ClientSecret = func() (string, error) { return "s3cret-value", nil } })
	if _, err := c.Limits(t.Context()); err != nil {
		t.Fatal(err)
	}
	flow, err := c.grant()
	if err != nil {
		t.Fatal(err)
	}
	if flow.ClientSecret != "s3cret-value" {
		t.Fatal("the secret is not where this test looks for it")
	}
	for _, printed := range []string{
		fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v %#v", c.cfg, c.cfg, c.cfg),
		fmt.Sprintf("%v %+v %#v", c.current.Load(), *c.current.Load(), *c.current.Load()),
	} {
		if strings.Contains(printed, "s3cret") {
			t.Error(printed)
		}
	}
}

// hijack answers with bytes of one's own and ends the connection.
func hijack(w http.ResponseWriter, raw string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, raw)
	_ = conn.Close()
}

func TestRepliesThatAbuseHTTP(t *testing.T) {
	good := `{"DailyApiRequests":{"Max":5,"Remaining":4}}`
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter)
		good   bool
	}{
		{"a header beyond its bound", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("x", 2<<20)+"\r\n\r\n"+good)
		}, false},
		{"a header line that is none", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 200 OK\r\n"+strings.Repeat("\x1b[31m", 10_000)+"\r\n\r\n")
		}, false},
		{"a redirect to what is no address", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 302 Found\r\nLocation: http://[::"+strings.Repeat("x", 10_000)+"\r\nContent-Length: 0\r\n\r\n")
		}, false},
		{"provisional answers without end", func(w http.ResponseWriter) {
			conn, _, err := http.NewResponseController(w).Hijack()
			for err == nil {
				_, err = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
			}
		}, false},
		{"a few provisional answers", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "+fmt.Sprint(len(good))+"\r\n\r\n"+good)
		}, true},
		{"chunks with extensions", func(w http.ResponseWriter) {
			hijack(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b;c=\"d\"\r\n%s\r\n0;e\r\n\r\n", len(good), good))
		}, true},
		{"a chunk whose extension never ends", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"+strings.Repeat("x", 1<<20)+"\r\n{")
		}, false},
		{"a chunk of a length that is none", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n")
		}, false},
		{"two lengths", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 44\r\n\r\n"+good)
		}, false},
		{"a part of the answer", func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, good)
		}, false},
		{"an answer packed twice over", func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip, gzip")
			_, _ = io.WriteString(w, good)
		}, false},
		{"an answer in several packed members", func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(inMembers(good))
		}, true},
		{"an answer whose last packed member is cut", func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(inMembers(good)[:len(inMembers(good))-1])
		}, false},
		{"a switch of protocols", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"+good)
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { test.answer(w) })
			limits, err := o.client().Limits(t.Context())
			if test.good && (err != nil || limits["DailyApiRequests"].Max != 5) {
				t.Errorf("%v, %v", limits, err)
			}
			if test.good {
				return
			}
			if err == nil || ClassOf(err) != record.ClassTransient && ClassOf(err) != record.ClassAuth {
				t.Fatalf("class %s: %v", ClassOf(err), err)
			}
			if text := err.Error(); len(text) > 2000 || strings.ContainsAny(text, "\x1b\r\n") {
				t.Errorf("unfit for a log: %d bytes, %.200q", len(text), text)
			}
		})
	}
}

// inMembers packs each byte by itself, one gzip member behind the other.
func inMembers(text string) []byte {
	var b bytes.Buffer
	for i := range len(text) {
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte{text[i]})
		_ = z.Close()
	}
	return b.Bytes()
}

func TestResultFilesOverBadHTTP(t *testing.T) {
	file := "sf__Id,sf__Created,A\n" + "\"003000000000001AAA\",\"true\",\"a\"\n\"003000000000002AAA\",\"false\",\"b\"\n"
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter)
		rows   int
		err    error
	}{
		{"a file in several packed members is read whole", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(inMembers(file))
		}, 2, nil},
		{"chunks of one byte, each with an extension, are a file", func(w http.ResponseWriter) {
			raw := "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
			for i := range len(file) {
				raw += "1;n=" + fmt.Sprint(i) + "\r\n" + file[i:i+1] + "\r\n"
			}
			hijack(w, raw+"0\r\n\r\n")
		}, 2, nil},
		{"a file whose last chunk never came is cut off, also at a row's end", func(w http.ResponseWriter) {
			hijack(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(file), file))
		}, 2, ErrTruncated},
		{"a file behind a chunk that is none is cut off", func(w http.ResponseWriter) {
			hijack(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nzz\r\n", len(file), file))
		}, 2, ErrTruncated},
		{"a file whose last line has no line end is whole, if its length was announced", func(w http.ResponseWriter) {
			cut := strings.TrimSuffix(file, "\n")
			hijack(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n%s", len(cut), cut))
		}, 2, nil},
		{"and cut off, if nothing announced it", func(w http.ResponseWriter) {
			hijack(w, "HTTP/1.0 200 OK\r\nContent-Type: text/csv\r\n\r\n"+strings.TrimSuffix(file, "\n"))
		}, 1, ErrTruncated},
		{"a column named as errors are is a column", func(w http.ResponseWriter) {
			writeCSV(w, `"errorCode","message","sf__Id","sf__Created"`+"\n"+`"NOT_FOUND","x","003000000000001AAA","true"`+"\n")
		}, 1, nil},
		{"a column of Salesforce's under another name is missed", func(w http.ResponseWriter) {
			writeCSV(w, strings.Replace(file, "sf__Id", "sf_Id", 1))
		}, 0, ErrMalformed},
		{"a column that stands twice is no header", func(w http.ResponseWriter) {
			writeCSV(w, "sf__Id,sf__Created,A,a\n")
		}, 0, ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { test.answer(w) })
			r, err := o.client().Results(t.Context(), testJob, Successful)
			rows := 0
			for err == nil {
				if _, err = r.Next(); err == nil {
					rows++
				}
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if rows != test.rows || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("%d rows, %v", rows, err)
			}
		})
	}
	t.Run("a part of a file is asked for again, and never taken for the file", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			if n == 1 {
				w.WriteHeader(http.StatusPartialContent)
				_, _ = io.WriteString(w, file[:strings.LastIndex(file[:len(file)-1], "\n")+1])
				return
			}
			_, _ = io.WriteString(w, file)
		})
		if _, rows, err := readRows(o.client(), t.Context(), Successful); err != nil || len(rows) != 2 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	})
	t.Run("an error text with a NUL or half a character is read, and what was uploaded must be text", func(t *testing.T) {
		text := "sf__Id,sf__Error,A\n,\"DUPLICATE_VALUE:x\x00y\xff\xc3:A --\",a\n"
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { writeCSV(w, text) })
		r, err := o.client().Results(t.Context(), testJob, Failed)
		if err != nil {
			t.Fatal(err)
		}
		row, err := r.Next()
		if want := "DUPLICATE_VALUE:x\uFFFDy\uFFFD:A --"; err != nil || row.Error != want {
			t.Errorf("%q, %v", row.Error, err)
		}
		for _, bad := range []string{"sf__Id,sf__Error,A\n,x,\x00\n", "sf__Id,sf__Error,A\n\x00,x,a\n", "sf__Id,sf__Error,A\n,x,\xff\n", "sf__Id,sf__Error,A\n,x\n\x00,y,z\n"} {
			text = bad
			if _, _, err := readRows(o.client(), t.Context(), Failed); !errors.Is(err, ErrMalformed) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// TestAnUploadWhoseHeaderIsRefused: with Expect the server may answer before it has the body, want it or not, or say nothing of it.
func TestAnUploadWhoseHeaderIsRefused(t *testing.T) {
	content := strings.Repeat("Name\n", 100_000)
	for _, test := range []struct {
		name   string
		answer func(conn net.Conn, in *bufio.Reader)
		good   bool
	}{
		{"a server that wants no expectations", func(conn net.Conn, _ *bufio.Reader) {
			_, _ = io.WriteString(conn, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}, false},
		{"a server that takes the file unseen", func(conn net.Conn, _ *bufio.Reader) {
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}, false},
		{"a server that refuses and reads on all the same", func(conn net.Conn, in *bufio.Reader) {
			_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
			_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			_, _ = io.Copy(io.Discard, in)
		}, false},
		{"a server that says go on and then goes", func(conn net.Conn, in *bufio.Reader) {
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			_, _ = io.CopyN(io.Discard, in, int64(len(content)/2))
		}, false},
		{"a server that says go on and takes all", func(conn net.Conn, in *bufio.Reader) {
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			if n, _ := io.CopyN(io.Discard, in, int64(len(content))); n == int64(len(content)) {
				_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			raw, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan int)
			go func() {
				n := 0
				for ; ; n++ {
					conn, err := raw.Accept()
					if err != nil {
						break
					}
					in := bufio.NewReader(conn)
					if hr, err := http.ReadRequest(in); err == nil && hr.Header.Get("Expect") != "" {
						test.answer(conn, in)
					}
					_ = conn.Close()
				}
				served <- n
			}()
			o.login = func(n int, w http.ResponseWriter, _ *http.Request) {
				(&faultyOrg{scriptedOrg: o}).grantAt(w, n, "http://"+raw.Addr().String())
			}
			err = o.client().Upload(t.Context(), testJob, int64(len(content)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
			_ = raw.Close()
			if n := <-served; n != 1 {
				t.Errorf("%d uploads were begun", n)
			}
			if test.good && err != nil || !test.good && !errors.Is(err, ErrUploadUnsure) {
				t.Error(err)
			}
		})
	}
}
