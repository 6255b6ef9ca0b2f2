# SPDX-License-Identifier: MIT
# What `cmake --install` puts where. The installed tree may be moved: nothing in it names the prefix.
# plugins/CMakeLists.txt installs the plugins. Included at the end of the top CMakeLists.txt, because
# it needs the targets of all rooms.
include(CMakePackageConfigHelpers)

set(VTSIM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/vtsim)
set(VTSIM_PKGCONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- programs and libraries ----------------------------------------------------------------------

install(TARGETS vtsimd vtsim RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# One set of targets each, because each wants other libraries of its user: a plugin none, the shared
# client none, the static client libevent and json-c, the harness json-c, libltdl and libelf.
foreach(name plugin client client-static harness)
    install(TARGETS vtsim-${name} EXPORT vtsim-${name}
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    # Not vtsim-client.cmake: it would take vtsim-client-static.cmake for a part of itself.
    install(EXPORT vtsim-${name} FILE vtsim_${name}_targets.cmake NAMESPACE vtsim::
            DESTINATION ${VTSIM_CMAKE_DIR})
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/core/include/vtsim/plugin.h
              ${PROJECT_SOURCE_DIR}/client/include/vtsim/client.h
              ${PROJECT_SOURCE_DIR}/tests/harness/include/vtsim/harness.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vtsim)

# ---- how others find them ------------------------------------------------------------------------

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/vtsimConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/vtsimConfig.cmake
                              INSTALL_DESTINATION ${VTSIM_CMAKE_DIR}
                              PATH_VARS VTSIM_PLUGIN_DIR CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vtsimConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vtsimConfig.cmake ${PROJECT_BINARY_DIR}/vtsimConfigVersion.cmake
        DESTINATION ${VTSIM_CMAKE_DIR})

file(RELATIVE_PATH VTSIM_PREFIX_FROM_PC /x/${VTSIM_PKGCONFIG_DIR} /x)
string(REGEX REPLACE "/$" "" VTSIM_PREFIX_FROM_PC ${VTSIM_PREFIX_FROM_PC})
set(files)
foreach(file core/vtsim-plugin client/vtsim-client tests/harness/vtsim-harness)
    get_filename_component(name ${file} NAME)
    configure_file(${PROJECT_SOURCE_DIR}/${file}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    list(APPEND files ${PROJECT_BINARY_DIR}/${name}.pc)
endforeach()
install(FILES ${files} DESTINATION ${VTSIM_PKGCONFIG_DIR})

# ---- what people read ----------------------------------------------------------------------------

install(FILES ${PROJECT_SOURCE_DIR}/config/vtsimd.ini
        DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/vtsim)
install(FILES ${PROJECT_SOURCE_DIR}/core/man/vtsimd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${PROJECT_SOURCE_DIR}/core/man/vtsim-script.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${PROJECT_SOURCE_DIR}/client/cli/vtsim.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
foreach(page client/vtsim-client.3 tests/harness/vtsim-harness.3)
    install(FILES ${PROJECT_SOURCE_DIR}/${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
              ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
# What README.md and the pages behind it lead to, where their links expect it.
foreach(page config/vtsimd.ini core/README.md core/store/README.md
             core/include/vtsim/plugin.h plugins/README.md
             client/README.md client/include/vtsim/client.h tests/harness/include/vtsim/harness.h
             tests/clients/README.md)
    get_filename_component(folder ${page} DIRECTORY)
    install(FILES ${PROJECT_SOURCE_DIR}/${page} DESTINATION ${CMAKE_INSTALL_DOCDIR}/${folder})
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/examples/virtual_minutes.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/examples/sleep_through.sh
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
foreach(folder config/cluster plugins client/examples tests/plugins)
    get_filename_component(above ${folder} DIRECTORY)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_DOCDIR}/${above}
            FILES_MATCHING PATTERN "*.c" PATTERN "*.in" PATTERN "*.ini"
            PATTERN template EXCLUDE)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tests/clients DESTINATION ${CMAKE_INSTALL_DOCDIR}/tests
        FILES_MATCHING PATTERN "*.[ch]" PATTERN "test_*" EXCLUDE)
