/* A certificate for prong.test that is good until 2120, signed by itself, and its key: for tests alone. */
#ifndef TESTS_NET_CERTIFICATE_H
#define TESTS_NET_CERTIFICATE_H

static const char TEST_CERTIFICATE[] = "-----BEGIN CERTIFICATE-----\n"
                                       "MIIBYTCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDApwcm9uZy50\n"
                                       "ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAVMRMwEQYDVQQD\n"
                                       "DApwcm9uZy50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECa6hWocvoocb\n"
                                       "95sZyubNbUMQQZtFQyp/P6RkVPIQ6HCGovthUqncF1ze5pFD0Ph40VPU2HtR3rNZ\n"
                                       "lOLHe9XOAaNGMEQwFQYDVR0RBA4wDIIKcHJvbmcudGVzdDAMBgNVHRMEBTADAQH/\n"
                                       "MB0GA1UdDgQWBBR+niCYqZKX5Ibh5Ev1R+FqSUrQvzAKBggqhkjOPQQDAgNIADBF\n"
                                       "AiEAsk0OtJt6dxECen9bAs9rXIf3hJh/bp4K8bsjkIRB/FoCICYMYlZy7pqedpA+\n"
                                       "vdENWV0BLGdQtSBk44YonnRijFLf\n"
                                       "-----END CERTIFICATE-----\n";

static const char TEST_KEY[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpdwalEYIKRpofx5D\n"
                               "M7kzFc5K4eZif1ffK6QJV+7UWzqhRANCAAQJrqFahy+ihxv3mxnK5s1tQxBBm0VD\n"
                               "Kn8/pGRU8hDocIai+2FSqdwXXN7mkUPQ+HjRU9TYe1Hes1mU4sd71c4B\n"
                               "-----END PRIVATE KEY-----\n";

#endif
