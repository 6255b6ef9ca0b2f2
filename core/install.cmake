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
# client none, the static client libevent and json-c.
foreach(name plugin client client-static)
    install(TARGETS vtsim-${name} EXPORT vtsim-${name}
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    # Not vtsim-client.cmake: it would take vtsim-client-static.cmake for a part of itself.
    install(EXPORT vtsim-${name} FILE vtsim_${name}_targets.cmake NAMESPACE vtsim::
            DESTINATION ${VTSIM_CMAKE_DIR})
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/core/include/vtsim/plugin.h
              ${PROJECT_SOURCE_DIR}/client/include/vtsim/client.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vtsim)

# ---- how others find them ------------------------------------------------------------------------

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/vtsimConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/vtsimConfig.cmake
                              INSTALL_DESTINATION ${VTSIM_CMAKE_DIR}
                              PATH_VARS VTSIM_PLUGIN_DIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vtsimConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vtsimConfig.cmake ${PROJECT_BINARY_DIR}/vtsimConfigVersion.cmake
        DESTINATION ${VTSIM_CMAKE_DIR})

file(RELATIVE_PATH VTSIM_PREFIX_FROM_PC /x/${VTSIM_PKGCONFIG_DIR} /x)
string(REGEX REPLACE "/$" "" VTSIM_PREFIX_FROM_PC ${VTSIM_PREFIX_FROM_PC})
configure_file(${CMAKE_CURRENT_LIST_DIR}/vtsim-plugin.pc.in ${PROJECT_BINARY_DIR}/vtsim-plugin.pc
               @ONLY)
configure_file(${PROJECT_SOURCE_DIR}/client/vtsim-client.pc.in
               ${PROJECT_BINARY_DIR}/vtsim-client.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/vtsim-plugin.pc ${PROJECT_BINARY_DIR}/vtsim-client.pc
        DESTINATION ${VTSIM_PKGCONFIG_DIR})

# ---- what people read ----------------------------------------------------------------------------

install(FILES ${PROJECT_SOURCE_DIR}/config/vtsimd.ini
        DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/vtsim)
install(FILES ${PROJECT_SOURCE_DIR}/core/man/vtsimd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${PROJECT_SOURCE_DIR}/client/cli/vtsim.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/client/vtsim-client.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
              ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
# The pages that README.md leads to, where its links expect them.
install(FILES ${PROJECT_SOURCE_DIR}/config/vtsimd.ini DESTINATION ${CMAKE_INSTALL_DOCDIR}/config)
foreach(room core plugins client)
    install(FILES ${PROJECT_SOURCE_DIR}/${room}/README.md
            DESTINATION ${CMAKE_INSTALL_DOCDIR}/${room})
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/client/examples
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/client FILES_MATCHING PATTERN "*.c")
