"""Header synonyms in English, Portuguese and Spanish, compared without case, accents, blanks and punctuation. Data."""

import unicodedata
from typing import Final

SYNONYMS: Final[dict[str, str]] = {
    "phone": """phone phone_number telephone telephone_number tel tel_number mobile mobile_number mobile_phone cell
        cellphone cell_number msisdn whatsapp whatsapp_number number contact_number home_phone work_phone phone_1 tel_1
        telefone fone numero_telefone numero_de_telefone telefone_1 telefone_celular fone_1 num_telefone ddd_telefone
        celular celular_1 numero_celular numero_de_celular telefono numero_telefono numero_de_telefono telefono_1
        telefono_movil telefono_celular num_telefono movil numero_movil numero""",
    "id": """id contact_id customer_id client_id external_id user_id crm_id ref customer_code client_code contact_key
        codigo cod id_cliente id_contato id_contacto codigo_cliente codigo_do_cliente codigo_de_cliente
        codigo_del_cliente cod_cliente cod_cli id_externo identificador""",
    "first_name": """first_name name full_name given_name forename contact_name customer_name nome primeiro_nome
        nome_completo nome_cliente nome_do_cliente nombre nombres primer_nombre nombre_completo nombre_cliente
        nombre_del_cliente""",
    "last_name": "last_name surname family_name sobrenome ultimo_nome apellido apellidos primer_apellido",
    "company": """company company_name organization organisation business employer empresa nome_empresa
        nome_da_empresa razao_social compania companhia nombre_empresa nombre_de_la_empresa razon_social organizacao
        organizacion""",
    "email": """email mail email_address mail_address correo correo_electronico correio correio_eletronico
        endereco_email endereco_de_email direccion_email""",
    "language": "language lang locale idioma lingua lengua linguagem",
    "time_zone": "time_zone tz fuso_horario fuso zona_horaria huso_horario",
    "priority": "priority prioridade prioridad",
    "tag": "tag label group segment etiqueta grupo segmento rotulo",
}
"""Canonical field -> the names by which senders call it."""


def fold(name: str) -> str:
    """The name without case, accents, blanks and punctuation: `Número de Teléfono` and `numero_de_telefono` agree."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in plain if letter.isalnum() and not unicodedata.combining(letter))


FIELD_OF: Final[dict[str, str]] = {fold(name): field for field, names in SYNONYMS.items() for name in names.split()}
"""Folded header -> canonical field."""
