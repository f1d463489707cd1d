package salesforce

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultAPIVersion is used when a Config names none (Spring '26).
const DefaultAPIVersion = "66.0"

// Bounds of what one call may carry.
const (
	// MaxUploadBytes is the largest CSV of one job. Salesforce takes 150 MB after base64, and its guide advises at most 100 MB raw.
	MaxUploadBytes = 100_000_000
	// MaxURIBytes is the longest request URI that Salesforce takes; a longer one is answered 414.
	MaxURIBytes = 16_384
	// MaxRecordBytes is the largest row of a result file. A record has at most 400,000 characters, here up to four bytes each and
	// each quote doubled, and the error text of a row comes on top of it.
	MaxRecordBytes = 16 << 20
	// MaxResultBytes is the default bound of one result file after decompression: a 100 MB upload of the shortest
	// possible rows grows about thirtyfold by sf__Id, sf__Created and the quoting of every value.
	MaxResultBytes = 4 << 30

	minAPIVersion   = 53       // from this version failedResults carries sf__Id of updated rows
	maxJSONBytes    = 32 << 20 // a describe of a large object is a few MB, a page of 1,000 jobs or 2,000 rows less
	maxErrorBytes   = 64 << 10 // an error is an array of a few members; HTML pages of the edge are cut
	maxHeaderBytes  = 1 << 20  // as net/http's own default, stated here because the injected transport is ours
	maxDrainedBytes = 64 << 10 // worth reading to keep a connection; beyond it a new one is cheaper
)

// Timeouts bound the calls. Zero fields mean the default.
type Timeouts struct {
	// Call bounds one try of a small call, and the wait for the first byte of a result file. Default 1 min.
	Call time.Duration
	// Login bounds one try of a login. Default 30 s.
	Login time.Duration
	// Upload bounds a whole upload. Default 10 min, Salesforce's own limit for one call.
	Upload time.Duration
	// Idle bounds how long a result file may deliver less than 1 KiB. Time that the reader's caller takes does not count. Default 1 min.
	Idle time.Duration
}

// Retry bounds the repetition of reading calls and logins. Zero fields mean the default.
type Retry struct {
	// Tries is how often a call is sent at most. Default 4. A GET on a connection that the server ends without a word may be sent once more by
	// net/http itself, as connections that were used before end so when their time is over.
	Tries int
	// Base is the longest first wait; it doubles with each try up to Max, and the real wait is drawn evenly between a tenth of it and all
	// of it. Defaults 500 ms and 8 s. A reply that asks for more than Max (Retry-After) ends the tries at once.
	Base, Max time.Duration
}

// Call is what [Config.Observe] is told of each request sent: its route (a closed set, fit for a label), the status (0 without
// a reply) and how long the reply's header took.
type Call struct {
	Method, Route string
	Status        int
	Took          time.Duration
}

// Config describes the org and how to reach it.
type Config struct {
	// LoginURL is where tokens come from, such as https://acme.my.salesforce.com (client credentials need the org's own domain).
	// https is required, except for a loopback host with AllowInsecureLoopback.
	LoginURL string
	// APIVersion such as "66.0"; at least 53.0. Default [DefaultAPIVersion].
	APIVersion string
	// ClientID is the consumer key of the connected app.
	ClientID string
	// ClientSecret gives the consumer secret, for the client credentials flow; it is asked at each login, so that a rotated file is picked up.
	ClientSecret func() (string, error)
	// PrivateKey gives the PEM of an RSA key, PKCS #1 or #8 without a passphrase, for the JWT bearer flow; ClientSecret is nil then. It is asked
	// at each login. Username is the user to act as.
	PrivateKey func() ([]byte, error)
	Username   string
	// PinnedOrgID is the org that this must be, 15 or 18 characters; empty means that the first org seen is the pin.
	PinnedOrgID string
	// AllowInsecureLoopback lets LoginURL be a loopback host, with http and any port: for the simulator.
	AllowInsecureLoopback bool
	// HTTP is the client to send with; nil means an own one. Its redirect policy, cookie jar and total timeout are not used.
	HTTP *http.Client
	// Now is the clock for the age of a session and Retry-After dates; nil means time.Now.
	Now func() time.Time
	// UserAgent is sent with each request. Default "bulkhead".
	UserAgent string
	// Timeouts and Retry bound the calls.
	Timeouts Timeouts
	Retry    Retry
	// MaxResultBytes bounds one result file after decompression. Default [MaxResultBytes].
	MaxResultBytes int64
	// Classes says what refused rows need. Default [BuiltInClasses].
	Classes *ClassTable
	// Circuit, if set, is asked before each exchange and told what came of it; nil means that every one is allowed.
	Circuit Circuit
	// Random gives numbers in [0,1), from any goroutine, for waits; nil means math/rand's.
	Random func() float64
	// Observe, if set, is called after each request; it must be quick and safe for concurrent use.
	Observe func(Call)
}

// Client is the client of one org. Make it with [New].
type Client struct {
	cfg   Config
	login *url.URL
	http  *http.Client

	loginTurn chan struct{}           // holds one token: who has it may log in
	current   atomic.Pointer[session] // the session to use, nil before the first login
	refused   atomic.Pointer[refusal] // the last login that failed, not with its caller's context
	org       string                  // 18 characters, "" until known; guarded by loginTurn

	usage     atomic.Pointer[usage]
	skew      atomic.Pointer[time.Duration]
	described sync.Map // object in lower case → described, for look-ups
}

var apiVersionPattern = regexp.MustCompile(`^[0-9]{2,3}\.0$`)

// New checks the configuration and makes a Client. It makes no call. All problems are reported together.
func New(cfg Config) (*Client, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	login, err := parseLoginURL(cfg.LoginURL, cfg.AllowInsecureLoopback)
	if err != nil {
		problems = append(problems, err)
	}
	if cfg.APIVersion == "" {
		cfg.APIVersion = DefaultAPIVersion
	}
	if !apiVersionPattern.MatchString(cfg.APIVersion) {
		problem("api version %q: write it as %q", cfg.APIVersion, DefaultAPIVersion)
	} else if n, _ := strconv.Atoi(strings.TrimSuffix(cfg.APIVersion, ".0")); n < minAPIVersion {
		problem("api version %q: at least %d.0 is needed, older ones leave the id out of failed rows", cfg.APIVersion, minAPIVersion)
	}
	if strings.TrimSpace(cfg.ClientID) == "" {
		problem("client id is empty: give the consumer key of the connected app")
	}
	problems = append(problems, cfg.credentialProblems()...)
	if cfg.PinnedOrgID != "" {
		full, err := ID18(cfg.PinnedOrgID)
		if err != nil || !strings.HasPrefix(full, orgIDPrefix) {
			problem("org id %q: give the 15 or 18 characters that Setup shows under Company Information, they start with %s", clip(cfg.PinnedOrgID, maxNameRunes), orgIDPrefix)
		}
		cfg.PinnedOrgID = full
	}
	for name, d := range map[string]time.Duration{
		"call": cfg.Timeouts.Call, "login": cfg.Timeouts.Login, "upload": cfg.Timeouts.Upload,
		"idle": cfg.Timeouts.Idle, "retry base": cfg.Retry.Base, "retry max": cfg.Retry.Max,
	} {
		if d < 0 {
			problem("timeout %s is %v: it must not be negative (0 means the default)", name, d)
		}
	}
	if cfg.Retry.Tries < 0 || cfg.MaxResultBytes < 0 {
		problem("tries %d and result bytes %d must not be negative (0 means the default)", cfg.Retry.Tries, cfg.MaxResultBytes)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("salesforce client: %w", errors.Join(problems...))
	}

	fillDefaults(&cfg)
	c := &Client{cfg: cfg, login: login, org: cfg.PinnedOrgID, loginTurn: make(chan struct{}, 1), http: newHTTPClient(cfg, login)}
	c.loginTurn <- struct{}{}
	return c, nil
}

func fillDefaults(cfg *Config) {
	orDefault(&cfg.Timeouts.Call, time.Minute)
	orDefault(&cfg.Timeouts.Login, 30*time.Second)
	orDefault(&cfg.Timeouts.Upload, 10*time.Minute)
	orDefault(&cfg.Timeouts.Idle, time.Minute)
	orDefault(&cfg.Retry.Tries, 4)
	orDefault(&cfg.Retry.Base, 500*time.Millisecond)
	orDefault(&cfg.Retry.Max, 8*time.Second)
	orDefault(&cfg.MaxResultBytes, MaxResultBytes)
	orDefault(&cfg.UserAgent, "bulkhead")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Classes == nil {
		cfg.Classes = BuiltInClasses()
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Call) {}
	}
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
