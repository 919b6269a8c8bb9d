"""libtorrent for the interop suite.
The name is not libtorrent.py: it would import itself.
usage: libtorrent_peer.py create PATH TORRENT PIECE_LENGTH [ANNOUNCE...]   prints the info hash; a tier for each tracker
       libtorrent_peer.py seed|leech TORRENT|MAGNET FOLDER HOST:PORT [PEER...] [OPTION...]    a leech ends when it has everything
options: --plain, --encrypted    no other connections
         --pex                   exchange peers
         --download-limit=N      bytes per second"""

import os
import sys

import libtorrent as lt


def create(path, torrent, piece_length, *trackers):
    files = lt.file_storage()
    lt.add_files(files, path)
    maker = lt.create_torrent(files, int(piece_length), lt.create_torrent.v1_only)
    for tier, announce in enumerate(trackers):
        maker.add_tracker(announce, tier)
    lt.set_piece_hashes(maker, os.path.dirname(path))
    content = lt.bencode(maker.generate())
    with open(torrent, "wb") as out:
        out.write(content)
    print(lt.torrent_info(torrent).info_hashes().v1)


def peer(mode, torrent, folder, listen, *rest):
    peers = [word for word in rest if not word.startswith("--")]
    options = dict(word.partition("=")[::2] for word in rest if word.startswith("--"))
    settings = {
        "listen_interfaces": listen, "outgoing_interfaces": listen.rsplit(":", 1)[0],
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        # All peers here share one address, and it is a private one.
        "allow_multiple_connections_per_ip": True, "ssrf_mitigation": False,
        "unchoke_slots_limit": -1,
        # Trying uTP first takes long where the other side has none, and this suite is about TCP.
        "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
        | lt.alert.category_t.peer_notification | lt.alert.category_t.connect_notification,
    }
    if "--plain" in options or "--encrypted" in options:
        policy = lt.enc_policy.pe_disabled if "--plain" in options else lt.enc_policy.pe_forced
        settings |= {"out_enc_policy": int(policy), "in_enc_policy": int(policy),
                     "allowed_enc_level": int(lt.enc_level.pe_rc4), "prefer_rc4": True}
    session = lt.session(settings)
    if torrent.startswith("magnet:"):
        params = lt.parse_magnet_uri(torrent)
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    if "--pex" not in options:
        params.flags |= lt.torrent_flags.disable_pex
    if "--download-limit" in options:
        params.download_limit = int(options["--download-limit"])
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    for address in peers:
        host, port = address.rsplit(":", 1)
        handle.connect_peer((host, int(port)))
    while not (mode == "leech" and handle.status().is_seeding):
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            print(alert, file=sys.stderr, flush=True)


{"create": create}.get(sys.argv[1], lambda *rest: peer(sys.argv[1], *rest))(*sys.argv[2:])
