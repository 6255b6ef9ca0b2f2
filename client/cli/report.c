/* SPDX-License-Identifier: MIT
 *
 * Errors as the command reports them. See report.h. */
#include "report.h"

#include "output.h"

int report_error(const struct vts_client_error *error, const struct arguments *arguments)
{
    const char *text = error->message, *id = arguments->id ? arguments->id : "ID";

    switch (error->code) {
    case VTS_CLIENT_ERR_INVALID:
        output_error("%s", text);
        return EXIT_USAGE;
    case VTS_CLIENT_ERR_DEADLINE:
        if (arguments->command == COMMAND_WAIT || arguments->command == COMMAND_RUN)
            output_error("%s; to go on waiting: vtsim wait %s", text, id);
        else
            output_error("%s; a longer --timeout may help", text);
        return EXIT_DEADLINE;
    case VTS_CLIENT_ERR_UNREACHABLE:
        output_error("%s; is vtsimd running there?", text);
        break;
    case VTS_CLIENT_ERR_TIMEOUT:
        output_error("%s; is the server overloaded? a longer --request-timeout may help", text);
        break;
    case VTS_CLIENT_ERR_UNKNOWN_JOB:
        output_error("%s; to start it: vtsim start %s", text, id);
        break;
    case VTS_CLIENT_ERR_EXISTS:
        output_error("%s; to wait for it: vtsim wait %s", text, id);
        break;
    case VTS_CLIENT_ERR_PROTOCOL:
        output_error("%s; does -u lead to a video-translation service?", text);
        break;
    default:
        output_error("%s", text);
        break;
    }
    return EXIT_SERVER;
}
