/* SPDX-License-Identifier: MIT
 *
 * Tests as somebody writes them who has installed vtsim: of a behaviour that is linked in, and of a client, here
 * a few lines of sockets, against a vtsimd that has the behaviour as a module: tester FOLDER. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vtsim/harness.h>

vts_plugin_fn outside_LTX_vts_plugin;

static void test_behaviour(void)
{
    struct vts_harness *harness =
        vts_harness_create(outside_LTX_vts_plugin, "delay = 70s", 1, NULL);
    struct vts_harness_job *job = vts_harness_start(harness, "a", NULL);

    vts_harness_advance(harness, 69999);
    vts_harness_expect_state(job, VTS_RUNNING);
    vts_harness_advance(harness, 1);
    vts_harness_expect_ended_after(job, 70000);
    vts_harness_expect_result(job, "{\"made\": \"outside\"}");
    vts_harness_check_laws(harness, NULL);
    vts_harness_destroy(harness);
}

static int starts_a_job(int port)
{
    static const char request[] =
        "POST /start HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Content-Length: 15\r\n\r\n{\"job_id\": \"a\"}";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char answer[1000] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int good;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    good = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
           write(fd, request, sizeof(request) - 1) == sizeof(request) - 1 &&
           read(fd, answer, sizeof(answer) - 1) > 0 && strstr(answer, " 200 OK") != NULL;
    close(fd);
    return good;
}

int main(int argc, char **argv)
{
    struct vts_harness_server_options options = {
        .plugin_path = argc > 1 ? argv[1] : NULL,
        .config = "[server]\nbehaviour = mine\n[behaviour mine]\nplugin = outside\n"};
    struct vts_harness_server *server;
    int good;

    test_behaviour();
    server = vts_harness_server_start(&options, NULL);
    good = starts_a_job(vts_harness_server_port(server)) && vts_harness_server_stop(server) == 0;
    if (!good)
        fputs(vts_harness_server_log(server), stderr);
    vts_harness_server_destroy(server);
    return !good;
}
