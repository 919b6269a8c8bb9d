"""libtorrent for the interop suite.
The name is not libtorrent.py: it would import itself.
usage: libtorrent_peer.py create PATH TORRENT PIECE_LENGTH [ANNOUNCE]      prints the info hash
       libtorrent_peer.py seed|leech TORRENT FOLDER HOST:PORT [PEER...]    a leech ends when it has everything"""

import os
import sys

import libtorrent as lt


def create(path, torrent, piece_length, announce=None):
    files = lt.file_storage()
    lt.add_files(files, path)
    maker = lt.create_torrent(files, int(piece_length), lt.create_torrent.v1_only)
    if announce:
        maker.add_tracker(announce)
    lt.set_piece_hashes(maker, os.path.dirname(path))
    content = lt.bencode(maker.generate())
    with open(torrent, "wb") as out:
        out.write(content)
    print(lt.torrent_info(torrent).info_hashes().v1)


def peer(mode, torrent, folder, listen, *peers):
    session = lt.session({
        "listen_interfaces": listen, "outgoing_interfaces": listen.rsplit(":", 1)[0],
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        # All peers here share one address, and it is a private one.
        "allow_multiple_connections_per_ip": True, "ssrf_mitigation": False,
        "unchoke_slots_limit": -1,
        # Trying uTP first takes long where the other side has none, and this suite is about TCP.
        "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
        | lt.alert.category_t.peer_notification | lt.alert.category_t.connect_notification,
    })
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
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
