# SPDX-License-Identifier: MIT
# Writes a C file that holds the files of a folder: cmake -DFOLDER=... -DFILES=a;b -DOUT=... -P embed.cmake
set(arrays "")
set(entries "")
set(number 0)
foreach(file ${FILES})
    file(READ ${FOLDER}/${file} bytes HEX)
    string(REGEX REPLACE "(................................)" "\\1\n    " bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${bytes}")
    string(APPEND arrays "static const char text_${number}[] = {\n    ${bytes}0};\n")
    string(APPEND entries "    {\"${file}\", text_${number}},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "#include \"templates.h\"\n\n${arrays}\nconst struct template templates[] = {\n${entries}    {0}};\n")
