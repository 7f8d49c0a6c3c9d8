package redact_test

import (
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/internal/redact"
)

func TestString_TakesSecretsOut(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
	tests := []struct{ name, in, want string }{
		{"key=value", "connect: password=s3cr3t-canary rejected", "connect: password=[redacted] rejected"},
		{"key: value", "passwd: canary; retry", "passwd: [redacted]; retry"},
		{"key := quoted", `secret := "can ary" x`, `secret := "[redacted]" x`},
		{"JSON", `{"user":"bob","api_key":"can\"ary","n":1}`, `{"user":"bob","api_key":"[redacted]","n":1}`},
		{"JSON number", `{"token":12345678}`, `{"token":[redacted]}`},
		{"JSON in JSON", `{"m":"{\"access_token\":\"canary\",\"a\":1}"}`, `{"m":"{\"access_token\":\"[redacted]\",\"a\":1}"}`},
		{"open quote", `secret="canary and on`, `secret="[redacted]`},
		{"query", "GET /x?access_token=canary&q=go", "GET /x?access_token=[redacted]&q=go"},
		{"escaped query", "x?api_key%3Dcanary", "x?api_key%3D[redacted]"},
		{"environment", "DB_PASSWORD=canary HOME=/root", "DB_PASSWORD=[redacted] HOME=/root"},
		{"camel case", "clientSecret=canary", "clientSecret=[redacted]"},
		{"numbered", "password2=canary", "password2=[redacted]"},
		{"struct", "{User:bob Password:canary}", "{User:bob Password:[redacted]}"},
		{"flag", "run --password canary --x", "run --password [redacted] --x"},
		{"AWS", "aws_secret_access_key = canary", "aws_secret_access_key = [redacted]"},
		{"private_key", `private_key: 'canary'`, `private_key: '[redacted]'`},
		{"authorization", "Authorization: Bearer canary, x\nnext", "Authorization: [redacted]\nnext"},
		{"cookie", "Set-Cookie: a=canary; Path=/\r\nnext", "Set-Cookie: [redacted]\r\nnext"},
		{"header map", "map[Authorization:[Bearer canary]]", "map[Authorization:[redacted]"},
		{"token with a scheme", "token: Bearer canary end", "token: [redacted] end"},
		{"bearer", "sent bearer canary-123 to it", "sent bearer [redacted] to it"},
		{"basic", "sent Basic Y2FuYXJ5OnB3 to it", "sent Basic [redacted] to it"},
		{"URL", "dial postgres://u:canary@db:5432/x failed", "dial postgres://[redacted]@db:5432/x failed"},
		{"URL with a user", "https://canary@host/a@b", "https://[redacted]@host/a@b"},
		{"URL with a slash in the password", "redis://u:ca/nary@host/0", "redis://[redacted]@host/0"},
		{"URL with an @ in the password", "amqp://u:c@nary@host", "amqp://[redacted]@host"},
		{"JWT", "got " + jwt + ".", "got [redacted]."},
		{"GitHub", "push with ghp_canarycanary42 failed", "push with [redacted] failed"},
		{"OpenAI", "key sk-canarycanarycanary, no", "key [redacted], no"},
		{"AWS id", "(AKIAIOSFODNN7EXAMPLE)", "([redacted])"},
		{"Slack", "xoxb-123456789-canary", "[redacted]"},
		{"PEM", "k -----BEGIN RSA PRIVATE KEY-----\nMIIcanary\n-----END RSA PRIVATE KEY----- v", "k [redacted] v"},
		{"PEM on one line", `-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----`, "[redacted]"},
		{"cut PEM", "-----BEGIN PRIVATE KEY-----\nMIIcanary", "[redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := redact.String(tt.in)
			if got != tt.want {
				t.Errorf("String(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
			if again := redact.String(got); again != got {
				t.Errorf("redacted twice: %q", again)
			}
		})
	}
}

func TestString_LeavesOtherTextAlone(t *testing.T) {
	for _, in := range []string{
		"",
		"dial tcp 10.0.0.1:5432: connection refused",
		"max_tokens=512, tokenizer: bpe",
		"basic auth failed: bearer token",
		"https://host:8080/@user?q=1#a@b",
		"open https://[::1]:80/x",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
		"the password was wrong",
		"task-force sk-learn eyJ",
		"password",
	} {
		if got := redact.String(in); got != in {
			t.Errorf("String(%q) = %q", in, got)
		}
	}
}

func TestString_TakesLinearTime(t *testing.T) {
	for _, unit := range []string{
		"://", "://a:x/", "-----BEGIN ", "-----BEGIN PRIVATE KEY", "password", "password=", `password="`, `token=\"`,
		"eyJ.", "bearer ", "\\", "token: bearer ", "@", "%3d",
	} {
		in := strings.Repeat(unit, 1<<20/len(unit))
		redact.String(in) // quadratic, this would take hours
	}
}

func TestString_DoesNotAllocateForCleanText(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { redact.String(clean) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

const clean = "reading https://host:8080/v1/items?page=2: status 503: upstream connect error: connection refused after 3 tries"

func FuzzString(f *testing.F) {
	for _, s := range []string{
		"password=a b", `"token":"x"`, "a://b:c@d/e@f", "Authorization: x", "eyJhbGciOiJ.e30.x", "basic abcdefgh",
		"-----BEGIN PRIVATE KEY-----x-----END PRIVATE KEY-----", `\"secret\":\"x\"`, "--pwd x", "token: bearer ,", "ghp_12345678", clean,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := redact.String(s)
		if twice := redact.String(once); twice != once {
			t.Errorf("%q\n once %q\ntwice %q", s, once, twice)
		}
	})
}

func BenchmarkString_Clean(b *testing.B) {
	b.SetBytes(int64(len(clean)))
	b.ReportAllocs()
	for b.Loop() {
		redact.String(clean)
	}
}
